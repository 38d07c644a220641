/** `cellplane automation freeze | thaw`: an operator's word on what the control plane does by itself. */
import type { FleetStatus } from '@cellplane/contract/api'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, createGroup, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string }

const WHY = ['--reason <text>', 'why; it lands in the audit trail'] as const

export function automationCommand(): Command {
  return createGroup('automation', 'Freeze automation as it is, or thaw it', [freezeCommand(), thawCommand()])
}

function freezeCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'freeze',
      summary: 'Leave health marks as they are, whatever is seen, until thawed',
      details:
        'Routers go on taking out what they see fail themselves. `cellplane status` says that automation is frozen, by whom and why.',
      examples: [
        [
          'cellplane automation freeze --reason "the monitoring network is being moved"',
          'nothing out, nothing in',
        ],
      ],
    }).requiredOption(...WHY),
  ).action(async ({ reason, ...flags }: Flags) => {
    const { client } = await connect(flags)
    const automation = await client.freezeAutomation({ body: { reason } })
    printResult(flags.json, automation, () => describe(automation))
  })
}

function thawCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'thaw',
      summary: 'End a freeze; of one that automation made itself: believe the monitor',
      details:
        'The monitor is believed until no more cells look unhealthy than the fleet’s freeze_share. Routers go on ignoring marks of more than that share.',
      examples: [
        ['cellplane automation thaw --reason "zone b is really down"', 'take out what looks unhealthy'],
      ],
    }).requiredOption(...WHY),
  ).action(async ({ reason, ...flags }: Flags) => {
    const { client } = await connect(flags)
    const automation = await client.thawAutomation({ body: { reason } })
    printResult(flags.json, automation, () => describe(automation))
  })
}

function describe({ is_frozen, reason }: FleetStatus['automation']): string {
  return is_frozen ? `automation is frozen: ${printableLine(reason)}` : 'automation goes on'
}
