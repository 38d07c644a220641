/** `cellplane cell drain`. */
import type { Command } from 'commander'
import {
  aboutAnyFleet,
  createCommand,
  forceOption,
  type JsonFlag,
  mayForce,
  reasonOption,
} from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { changeCells } from './several-cells.ts'
import { waitForCell } from './wait-for-cell.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean; wait?: boolean }

export function cellDrainCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'drain <cell...>',
      summary: 'Place nothing new on a cell, or on several',
      details:
        'Its tenants’ new work goes to other cells; it goes on answering for what it holds, and is drained when nothing is left to deliver. `cell undrain` takes it back.',
      examples: [
        ['cellplane cell drain cell-003 --reason "disk is failing"', 'empty cell-003'],
        ['cellplane cell drain cell-003 cell-004 --wait', 'empty two, and return when both are drained'],
      ],
    })
      .addOption(reasonOption('drained with the CLI'))
      .addOption(forceOption())
      .option('--wait', 'return when it is drained'),
  ).action(async (ids: string[], flags: Flags, command: Command) => {
    const body = { reason: flags.reason, force: mayForce(flags, command) }
    const { client } = await connect(flags)
    const drain = (id: string) => client.drainCell({ params: { cell: id }, body })
    // All are told before any is waited for: they empty side by side.
    if (flags.wait && ids.length > 1) for (const id of ids) await drain(id)
    const change = async (id: string) => {
      const draining = flags.wait && ids.length > 1 ? undefined : await drain(id)
      return flags.wait || !draining
        ? await waitForCell(client, id, 'drain', ({ state }) => state === 'drained')
        : draining
    }
    await changeCells(ids, flags.json, change, ({ id, state }) => {
      const next =
        state === 'drained'
          ? `\`cellplane cell retire ${id}\` stops it`
          : `\`cellplane cell show ${id}\` says when it is drained`
      return `${id} is ${state}; ${next}`
    })
  })
}
