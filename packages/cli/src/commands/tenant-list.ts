/** `cellplane tenant list`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, wholeNumber } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatQuarantines } from '../output/quarantines.ts'
import { formatTable } from '../output/table.ts'

type Flags = RemoteFlags & JsonFlag & { limit: number; after?: string; quarantined?: boolean }

export function tenantListCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'list',
      summary: 'List tenants that are registered, pinned, or were seen by routers',
      examples: [
        ['cellplane tenant list --limit 20', 'the first twenty'],
        ['cellplane tenant list --after acme', 'the page that follows acme'],
        ['cellplane tenant list --quarantined', 'who is in quarantine, since when and why'],
      ],
    })
      .option('--limit <n>', 'at most this many', wholeNumber(1, 1000), 100)
      .option('--after <tenant>', 'begin after this one: the `next` of the page before')
      .option('--quarantined', 'those in quarantine only'),
  ).action(async (flags: Flags) => {
    const { client } = await connect(flags)
    const query = { limit: flags.limit, ...(flags.after === undefined ? {} : { after: flags.after }) }
    if (flags.quarantined) {
      const found = await client.listQuarantines({ query })
      return printResult(flags.json, found, () => withNext(formatQuarantines(found.quarantines), found.next))
    }
    const page = await client.listTenants({ query })
    printResult(flags.json, page, () => {
      if (page.tenants.length === 0) {
        return 'no tenant is registered or pinned, and routers have reported none yet; whom they served shows here within about six seconds (reported each second, stored every five)'
      }
      const table = formatTable(page.tenants, [
        { title: 'TENANT', value: (tenant) => tenant.tenant, isFlexible: true },
        { title: 'REGISTERED', value: (tenant) => (tenant.is_registered ? 'yes' : 'no') },
        { title: 'PINNED', value: (tenant) => (tenant.pinned ? 'yes' : 'no') },
        { title: 'REQUESTS', value: (tenant) => String(tenant.requests), align: 'right' },
        { title: 'RECENTLY', value: (tenant) => String(Math.round(tenant.recent_requests)), align: 'right' },
        { title: 'CELLS, HOME FIRST', value: (tenant) => tenant.cells.join(', ') },
      ])
      return withNext(table, page.next)
    })
  })
}

const withNext = (text: string, next: string | null): string =>
  next === null ? text : `${text}\nmore: --after ${JSON.stringify(next)}`
