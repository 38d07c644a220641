/** `cellplane cell undrain`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

export function cellUndrainCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'undrain <cell>',
      summary: 'Place on a draining or drained cell again',
      examples: [['cellplane cell undrain cell-003', 'take cell-003 back into placement']],
    }).addOption(reasonOption('undrained with the CLI')),
  ).action(async (id: string, flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const cell = await client.undrainCell({ params: { cell: id }, body: { reason: flags.reason } })
    printResult(flags.json, cell, () => `${id} is ${cell.state}`)
  })
}
