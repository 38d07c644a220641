/** `cellplane topology diff`. */
import { diffBases } from '@cellplane/core'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { Failure, usageFailure } from '../failure.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'

export function topologyDiffCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'diff [before] [after]',
      summary: 'Say what changed between two published bases',
      details: 'Without versions: the newest and the one before it. The control plane keeps the last 50.',
      examples: [
        ['cellplane topology diff', 'what the last change did'],
        ['cellplane topology diff 3 7', 'from version 3 to version 7'],
      ],
    }),
  ).action(async (before: string | undefined, after: string | undefined, flags: RemoteFlags & JsonFlag) => {
    const { client } = await connect(flags)
    const versions = (await client.listVersions()).versions.map(({ version }) => version)
    const newer = after === undefined ? versions[0] : versionOf(after)
    const older =
      before === undefined ? versions.find((version) => version < (newer ?? 0)) : versionOf(before)
    if (newer === undefined || older === undefined) {
      throw new Failure('NOTHING_TO_COMPARE', `${versions.length} bases are kept; two are needed to compare`)
    }
    const diff = diffBases(
      await client.getVersion({ params: { version: older } }),
      await client.getVersion({ params: { version: newer } }),
    )
    printResult(flags.json, { before: older, after: newer, ...diff }, () => {
      const lines = diff.lines.length > 0 ? diff.lines : ['nothing that routes differs']
      return [`from ${older} to ${newer}:`, ...lines.map((line) => `  ${printableLine(line)}`)].join('\n')
    })
  })
}

export function versionOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usageFailure(
    `found ${JSON.stringify(text)}; expected a version number, as \`cellplane topology show\` prints it`,
  )
}
