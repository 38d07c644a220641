/** `cellplane topology rollback`. */
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
import { printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'
import { versionOf } from './topology-diff.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean }

export function topologyRollbackCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'rollback <version>',
      summary: 'Place tenants as a former base did, under a new version',
      details:
        'Only the placement comes back. Cells, registered tenants, pins and generations stay as they are, and rules are the fleet file’s. Refused when that version places tenants on a cell that is draining, drained or retired.',
      examples: [
        ['cellplane topology rollback 7 --reason "cell-005 is slow"', 'place tenants as version 7 did'],
        [
          'cellplane topology rollback 7 --force --reason "it has to be"',
          'although it moves more than the budget allows',
        ],
      ],
    })
      .addOption(reasonOption('rolled back with the CLI'))
      .addOption(forceOption()),
  ).action(async (text: string, flags: Flags, command: Command) => {
    const body = { reason: flags.reason, force: mayForce(flags, command) }
    const params = { version: versionOf(text) }
    const { client } = await connect(flags)
    const done = await client.rollbackTopology({ params, body })
    printResult(flags.json, done, () => {
      const kept = done.kept.length === 0 ? [] : [`what still differs from version ${done.of}:`]
      return [
        `version ${done.version} places tenants as version ${done.of} did`,
        ...kept,
        ...done.kept.map((line) => `  ${printableLine(line)}`),
      ].join('\n')
    })
  })
}
