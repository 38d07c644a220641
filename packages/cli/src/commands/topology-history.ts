/** `cellplane topology history`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTable } from '../output/table.ts'

export function topologyHistoryCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'history',
      summary: 'List the bases that were published: when, by whom, and what each changed',
      details: 'Newest first. The control plane keeps the last 50.',
      examples: [
        ['cellplane topology history', 'what happened to placement'],
        ['cellplane topology diff 3 4', 'one of the changes in full'],
      ],
    }),
  ).action(async (flags: RemoteFlags & JsonFlag) => {
    const { client } = await connect(flags)
    const { versions } = await client.listVersions()
    printResult(flags.json, versions, () =>
      versions.length === 0
        ? 'nothing has been published yet'
        : formatTable(versions, [
            { title: 'VERSION', value: ({ epoch, version }) => `${epoch}.${version}`, align: 'right' },
            { title: 'ISSUED', value: ({ issued_at }) => issued_at },
            { title: 'BY', value: ({ actor }) => actor },
            { title: 'WHAT', value: ({ reason }) => reason, isFlexible: true },
          ]),
    )
  })
}
