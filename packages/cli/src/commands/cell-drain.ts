/** `cellplane cell drain`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { waitForCell } from './wait-for-cell.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; wait?: boolean }

export function cellDrainCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'drain <cell>',
      summary: 'Place nothing new on a cell',
      details:
        'Its tenants’ new work goes to other cells; it goes on answering for what it holds, and is drained when nothing is left to deliver. `cell undrain` takes it back.',
      examples: [
        ['cellplane cell drain cell-003 --reason "disk is failing"', 'empty cell-003'],
        ['cellplane cell drain cell-003 --wait', 'the same, and return when it is drained'],
      ],
    })
      .addOption(reasonOption('drained with the CLI'))
      .option('--wait', 'return when it is drained'),
  ).action(async (id: string, flags: Flags) => {
    const { client } = await connect(flags)
    const draining = await client.drainCell({ params: { cell: id }, body: { reason: flags.reason } })
    const cell = flags.wait
      ? await waitForCell(client, id, 'drain', ({ state }) => state === 'drained')
      : draining
    printResult(flags.json, cell, () => {
      const next =
        cell.state === 'drained'
          ? `\`cellplane cell retire ${id}\` stops it`
          : `\`cellplane cell show ${id}\` says when it is drained`
      return `${id} is ${cell.state}; ${next}`
    })
  })
}
