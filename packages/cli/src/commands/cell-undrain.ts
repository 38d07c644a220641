/** `cellplane cell undrain`. */
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

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean }

export function cellUndrainCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'undrain <cell...>',
      summary: 'Place on a draining or drained cell again',
      examples: [
        ['cellplane cell undrain cell-003', 'take cell-003 back into placement'],
        ['cellplane cell undrain cell-003 cell-004', 'take both back'],
      ],
    })
      .addOption(reasonOption('undrained with the CLI'))
      .addOption(forceOption()),
  ).action(async (ids: string[], flags: Flags, command: Command) => {
    const body = { reason: flags.reason, force: mayForce(flags, command) }
    const { client } = await connect(flags)
    const undrain = (id: string) => client.undrainCell({ params: { cell: id }, body })
    await changeCells(ids, flags.json, undrain, ({ id, state }) => `${id} is ${state}`)
  })
}
