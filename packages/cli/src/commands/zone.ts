/** `cellplane zone …`: leave a zone, and come back. */
import type { ZoneChangeView } from '@cellplane/contract/api'
import type { Command } from 'commander'
import {
  aboutAnyFleet,
  createCommand,
  createGroup,
  forceOption,
  type JsonFlag,
  mayForce,
  requiredReasonOption,
} from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { count, printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean }

export function zoneCommand(): Command {
  return createGroup('zone', 'Leave a zone, and come back', [zoneEvacuateCommand(), zoneRestoreCommand()])
}

function zoneEvacuateCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'evacuate <zone>',
      summary: 'Drain every cell of a zone at once',
      details:
        'The cells leave the shards together and go on answering for what they hold. Refused when it exceeds the blast-radius budget, or when what is left cannot carry the load by its ceilings; --force means both.',
      examples: [
        ['cellplane zone evacuate b --reason "the provider announced an outage"', 'empty zone b'],
        [
          'cellplane zone evacuate b --force --reason "it is on fire"',
          'although it is more than the budget allows',
        ],
      ],
    })
      .addOption(requiredReasonOption())
      .addOption(forceOption()),
  ).action(async (zone: string, flags: Flags, command: Command) => {
    const body = { reason: flags.reason, force: mayForce(flags, command) }
    const { client } = await connect(flags)
    const done = await client.evacuateZone({ params: { zone }, body })
    printResult(flags.json, done, () => formatChange(done, 'leave the shards'))
  })
}

function zoneRestoreCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'restore <zone>',
      summary: 'Place on the cells again that an evacuation drained',
      details:
        'Cells that were drained one by one stay as they are; `cellplane cell undrain` takes those back.',
      examples: [
        ['cellplane zone restore b --reason "the provider is back"', 'take zone b back into placement'],
      ],
    })
      .addOption(requiredReasonOption())
      .addOption(forceOption()),
  ).action(async (zone: string, flags: Flags, command: Command) => {
    const body = { reason: flags.reason, force: mayForce(flags, command) }
    const { client } = await connect(flags)
    const done = await client.restoreZone({ params: { zone }, body })
    printResult(flags.json, done, () => formatChange(done, 'are placed again'))
  })
}

function formatChange({ zone, cells, capacity }: ZoneChangeView, what: string): string {
  return printableLine(
    `${count(cells.length, 'cell')} of zone ${zone} ${what}: ${cells.join(', ')}; ${capacity}`,
  )
}
