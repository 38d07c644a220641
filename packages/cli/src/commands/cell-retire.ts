/** `cellplane cell retire`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean }

export function cellRetireCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'retire <cell>',
      summary: 'Stop a drained cell for good',
      details:
        'Refused while the cell holds undelivered work or records within their retention. Its slot is never used again, and its data folder is kept.',
      examples: [
        ['cellplane cell retire cell-003', 'stop cell-003, which is drained and holds nothing'],
        ['cellplane cell retire cell-003 --force --reason "data was exported"', 'although it holds records'],
      ],
    })
      .addOption(reasonOption('retired with the CLI'))
      .option('--force', 'although it holds records, or what it holds is unknown'),
  ).action(async (id: string, flags: Flags) => {
    const { client } = await connect(flags)
    const cell = await client.retireCell({
      params: { cell: id },
      body: { reason: flags.reason, force: flags.force ?? false },
    })
    printResult(flags.json, cell, () => `${id} is ${cell.state}; its data folder is kept`)
  })
}
