/** `cellplane topology show`. */
import type { TopologyBase, TopologyOverlay } from '@cellplane/contract'
import { type Command, Option } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, wholeNumber } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { count, printResult } from '../output/print.ts'
import { formatPairs, formatTable } from '../output/table.ts'

type Flags = RemoteFlags & JsonFlag & { overlay?: boolean; revision?: number }

export function topologyShowCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'show',
      summary: 'Show the topology that is published',
      examples: [
        ['cellplane topology show', 'placement, cells and rules in short'],
        ['cellplane topology show --json > base.json', 'the signed base itself'],
        ['cellplane topology show --revision 3', 'version 3 of the base, if it is still kept'],
        ['cellplane topology show --overlay', 'health marks and quarantines'],
      ],
    })
      .addOption(new Option('--overlay', 'the overlay').conflicts('revision'))
      .option(
        '--revision <version>',
        'the base of this version, as `topology show` and `topology diff` number them; the last 50 are kept',
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
  ).action(async (flags: Flags) => {
    const { client } = await connect(flags)
    if (flags.overlay) {
      const overlay = await client.getOverlay()
      return printResult(flags.json, overlay, () => formatOverlay(overlay))
    }
    const base =
      flags.revision === undefined
        ? await client.getBase()
        : await client.getVersion({ params: { version: flags.revision } })
    printResult(flags.json, base, () => formatBase(base))
  })
}

function formatBase(base: TopologyBase): string {
  const pairs: [string, string][] = [
    ['fleet', `${base.fleet} (${base.fleet_kind})`],
    ['version', `${base.version} of epoch ${base.epoch}, issued ${base.issued_at}`],
    ['signed by', base.signature.key_id],
    ['placement', `${base.placement.algorithm} v${base.placement.version}`],
    ['buckets', `${base.hash.buckets} × ${base.shard_size} cells, ${base.hash.name} seed ${base.hash.seed}`],
    ['choice', base.choice],
    ['overrides', String(base.overrides.length)],
    ['former tables', base.former_tables.map((table) => `until ${table.until}`).join('\n') || 'none'],
  ]
  const cells = formatTable(base.cells, [
    { title: 'SLOT', value: (cell) => String(cell.slot), align: 'right' },
    { title: 'CELL', value: (cell) => cell.id },
    { title: 'ROLE', value: (cell) => cell.role },
    { title: 'STATE', value: (cell) => cell.state },
    { title: 'ZONE', value: (cell) => cell.zone },
    { title: 'WEIGHT', value: (cell) => String(cell.weight), align: 'right' },
    { title: 'RELEASE', value: (cell) => cell.release, isFlexible: true },
    { title: 'ENDPOINT', value: (cell) => cell.endpoints.http },
  ])
  return `${formatPairs(pairs)}\n\n${cells}`
}

function formatOverlay(overlay: TopologyOverlay): string {
  const heading = formatPairs([
    ['version', `${overlay.version} of epoch ${overlay.epoch}, issued ${overlay.issued_at}`],
    ['refines base', String(overlay.base_version)],
    ['signed by', overlay.signature.key_id],
    ['marks', count(overlay.unhealthy.length, 'unhealthy cell')],
    ['quarantined', count(overlay.quarantined.length, 'tenant')],
  ])
  const marks = overlay.unhealthy.map((mark) => ({ what: `slot ${mark.slot}`, ...mark }))
  const tenants = overlay.quarantined.map((entry) => ({ what: entry.tenant, ...entry }))
  if (marks.length + tenants.length === 0) return heading
  const table = formatTable(
    [...marks, ...tenants],
    [
      { title: 'WHAT', value: (row) => row.what },
      { title: 'SINCE', value: (row) => row.since },
      { title: 'WHY', value: (row) => row.reason, isFlexible: true },
    ],
  )
  return `${heading}\n\n${table}`
}
