/** `cellplane topology force`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, requiredReasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

export function topologyForceCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'force',
      summary: 'Publish the base that the blast-radius budget holds back',
      details:
        'For what nobody asked for in a command, such as other weights in the fleet file: `cellplane status` says what is held back. The leave is for what exceeds the budget now, by as much as it does, and for one base.',
      examples: [['cellplane topology force --reason "two machines are going away"', 'let it be published']],
    }).addOption(requiredReasonOption()),
  ).action(async (flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const forced = await client.forceTopology({ body: { reason: flags.reason } })
    printResult(flags.json, forced, () =>
      ['forced, although:', ...forced.exceeded.map((line) => `  ${line}`)].join('\n'),
    )
  })
}
