/** `cellplane cell add`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, number, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { waitForCell } from './wait-for-cell.ts'

type Flags = RemoteFlags &
  JsonFlag & { zone?: string; weight?: number; databaseUrl?: string; reason: string; wait?: boolean }

export function cellAddCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'add [id]',
      summary: 'Add a cell; it is placed as soon as it is ready',
      details:
        'Without an id the next free cell-NNN is taken. Adding one of n equal cells moves about 1/n of the tenants’ places, and no tenant’s whole shard.',
      examples: [
        ['cellplane cell add', 'one more cell, in the zone that has the fewest'],
        [
          'cellplane cell add --zone b --weight 20 --wait',
          'a double-sized one in zone b; returns when it serves',
        ],
      ],
    })
      .option('--zone <zone>', 'its zone')
      .option('--weight <n>', 'its share of places relative to the others', number(0, 100))
      .option('--database-url <url>', 'an existing PostgreSQL database for it')
      .addOption(reasonOption('added with the CLI'))
      .option('--wait', 'return when it is active and healthy'),
  ).action(async (id: string | undefined, flags: Flags) => {
    const { client } = await connect(flags)
    const added = await client.addCell({
      body: {
        ...(id === undefined ? {} : { id }),
        ...(flags.zone === undefined ? {} : { zone: flags.zone }),
        ...(flags.weight === undefined ? {} : { weight: flags.weight }),
        ...(flags.databaseUrl === undefined ? {} : { database_url: flags.databaseUrl }),
        reason: flags.reason,
      },
    })
    const isServing = (cell: { state: string; health: string }) =>
      cell.state === 'active' && cell.health === 'healthy'
    const cell = flags.wait ? await waitForCell(client, added.id, 'serve', isServing) : added
    printResult(flags.json, cell, () =>
      flags.wait
        ? `${cell.id} serves at ${cell.endpoint}`
        : `${cell.id} (slot ${cell.slot}, zone ${cell.zone}) is ${cell.state}; see \`cellplane cell show ${cell.id}\``,
    )
  })
}
