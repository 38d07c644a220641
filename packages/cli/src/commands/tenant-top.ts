/** `cellplane tenant top`. */
import { type Command, Option } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, wholeNumber } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTable } from '../output/table.ts'

const MEASURES = ['errors', 'crashes', 'cost'] as const

type Flags = RemoteFlags & JsonFlag & { by: (typeof MEASURES)[number]; limit: number }

export function tenantTopCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'top',
      summary: 'Say which tenants fail most, crash cells, or cost most at the moment',
      details:
        'Of the last five to ten seconds, as the routers report it; crashes of the last two minutes. Cost is the time that a tenant’s requests take of cells, sampled.',
      examples: [
        ['cellplane tenant top', 'the ten tenants with most errors'],
        ['cellplane tenant top --by cost --limit 3', 'the three that keep cells busiest'],
      ],
    })
      .addOption(new Option('--by <measure>', 'what counts').choices(MEASURES).default('errors'))
      .option('--limit <n>', 'at most this many', wholeNumber(1, 32), 10),
  ).action(async ({ by, limit, ...flags }: Flags) => {
    const { client } = await connect(flags)
    const top = await client.listTopTenants({ query: { by, limit } })
    printResult(flags.json, top, () =>
      top.tenants.length === 0
        ? `no tenant has ${by === 'cost' ? 'requests' : by} at the moment`
        : formatTable(top.tenants, [
            { title: 'TENANT', value: ({ tenant }) => tenant, isFlexible: true },
            { title: 'ATTEMPTS', value: ({ attempts }) => String(attempts), align: 'right' },
            { title: 'ERRORS', value: ({ errors }) => String(errors), align: 'right' },
            { title: 'CRASHES', value: ({ crashes }) => String(crashes), align: 'right' },
            { title: 'COST', value: ({ cost_ms: ms }) => `${(ms / 1000).toFixed(1)} s`, align: 'right' },
            { title: 'SUSPENDED', value: ({ is_suspended: is }) => (is ? 'yes' : 'no') },
            { title: 'CELLS', value: ({ cells }) => cells.join(', ') },
          ]),
    )
  })
}
