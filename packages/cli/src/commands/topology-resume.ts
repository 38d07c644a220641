/** `cellplane topology resume`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

export function topologyResumeCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'resume',
      summary: 'Publish bases again after one was taken back',
      details:
        'A new base goes to one router first. When that router refuses it, falls silent or sees errors, the base is taken back and no other is published until somebody looked: the same declarations would make the same base again.',
      examples: [
        ['cellplane topology resume --reason "the router’s disk was full"', 'go on with what is declared'],
      ],
    }).addOption(reasonOption('resumed with the CLI')),
  ).action(async (flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const resumed = await client.resumeTopology({ body: { reason: flags.reason } })
    printResult(
      flags.json,
      resumed,
      () => `bases are published again; publishing had halted because ${resumed.was_halted_because}`,
    )
  })
}
