/** `cellplane cell list`. */
import type { CellView } from '@cellplane/contract'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { healthText, stateText } from '../output/cells.ts'
import { printResult } from '../output/print.ts'
import { formatTable } from '../output/table.ts'

export function cellListCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'list',
      summary: 'List all cells',
      examples: [
        ['cellplane cell list', 'every cell, its state and what it holds'],
        ['cellplane cell list --json', 'the same for a script'],
      ],
    }),
  ).action(async (flags: RemoteFlags & JsonFlag) => {
    const { client } = await connect(flags)
    const { cells } = await client.listCells()
    printResult(flags.json, { cells }, () => formatCells(cells))
  })
}

export function formatCells(cells: readonly CellView[], width?: number): string {
  return formatTable(
    cells,
    [
      { title: 'CELL', value: (cell) => cell.id },
      { title: 'SLOT', value: (cell) => String(cell.slot), align: 'right' },
      { title: 'ZONE', value: (cell) => cell.zone },
      { title: 'STATE', value: (cell) => cell.state, style: stateText },
      { title: 'HEALTH', value: (cell) => cell.health, style: healthText },
      { title: 'WEIGHT', value: (cell) => String(cell.weight), align: 'right' },
      { title: 'WORK', value: (cell) => String(cell.holdings?.undelivered ?? '–'), align: 'right' },
      { title: 'ENDPOINT', value: (cell) => cell.endpoint ?? '–' },
      {
        title: 'NOTE',
        value: (cell) => cell.problem ?? (cell.health === 'unhealthy' ? cell.health_reason : ''),
        isFlexible: true,
      },
    ],
    width,
  )
}
