/** `cellplane cell show`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { formatCell } from '../output/cell-details.ts'
import { printResult } from '../output/print.ts'

export function cellShowCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'show <cell>',
      summary: 'Show one cell: state, health, stores and what it holds',
      examples: [['cellplane cell show cell-001', 'everything that is known of cell-001']],
    }),
  ).action(async (cell: string, flags: RemoteFlags & JsonFlag) => {
    const { client } = await connect(flags)
    const view = await client.getCell({ params: { cell } })
    printResult(flags.json, view, () => formatCell(view))
  })
}
