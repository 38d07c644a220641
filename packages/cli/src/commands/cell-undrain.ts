/** `cellplane cell undrain`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { changeCells } from './several-cells.ts'

export function cellUndrainCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'undrain <cell...>',
      summary: 'Place on a draining or drained cell again',
      examples: [
        ['cellplane cell undrain cell-003', 'take cell-003 back into placement'],
        ['cellplane cell undrain cell-003 cell-004', 'take both back'],
      ],
    }).addOption(reasonOption('undrained with the CLI')),
  ).action(async (ids: string[], flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const undrain = (id: string) =>
      client.undrainCell({ params: { cell: id }, body: { reason: flags.reason } })
    await changeCells(ids, flags.json, undrain, ({ id, state }) => `${id} is ${state}`)
  })
}
