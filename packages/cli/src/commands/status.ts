/** `cellplane status`: the fleet at a glance. */
import type { FleetStatus } from '@cellplane/contract/api'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { healthText, stateText } from '../output/cells.ts'
import { count, percent, printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'
import { bad, bold, good, warning } from '../output/style.ts'
import { formatTable } from '../output/table.ts'

export function statusCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'status',
      summary: 'Show the fleet at a glance: cells, routers, blast radius',
      examples: [
        ['cellplane status', 'the fleet of this folder, or the one that you run'],
        ['cellplane status --all', 'with the cells that were retired'],
        ['cellplane status --url https://control.example.com --token-file t', 'a fleet elsewhere'],
      ],
    }).option('--all', 'retired cells too'),
  ).action(async (flags: RemoteFlags & JsonFlag & { all?: boolean }) => {
    const { client, url } = await connect(flags)
    const status = await client.getStatus()
    printResult(flags.json, status, () => formatStatus(status, url, flags.all ?? false))
  })
}

/** `areAllShown`: retired cells too, and not their number alone. `width` in columns; undefined: the terminal's. */
export function formatStatus(status: FleetStatus, url: string, areAllShown: boolean, width?: number): string {
  const shown = areAllShown ? status.cells : status.cells.filter(({ state }) => state !== 'retired')
  const hidden = status.cells.length - shown.length
  const more = hidden > 0 ? `\n${count(hidden, 'retired cell')} not shown; --all shows them` : ''
  return [
    heading(status, url),
    `${cells(shown, width)}${more}`,
    routers(status, width),
    ...remarks(status),
  ].join('\n\n')
}

function heading(status: FleetStatus, url: string): string {
  const version = status.base
    ? `topology ${status.epoch}.${status.base.version} of ${minute(status.base.issued_at)}`
    : warning('no topology yet')
  return `${bold(status.fleet)}  ${status.kind}, ${count(status.tenants, 'tenant')}, ${version}\n${url}`
}

function cells(shown: FleetStatus['cells'], width: number | undefined): string {
  return formatTable(
    shown,
    [
      { title: 'CELL', value: (cell) => cell.id },
      { title: 'ZONE', value: (cell) => cell.zone },
      { title: 'STATE', value: (cell) => cell.state, style: stateText },
      { title: 'HEALTH', value: (cell) => cell.health, style: healthText },
      { title: 'WORK', value: (cell) => String(cell.undelivered ?? '–'), align: 'right' },
      { title: 'ENDPOINT', value: (cell) => cell.endpoint?.replace(/^http:\/\//, '') ?? '–' },
      {
        title: 'NOTE',
        value: (cell) => cell.problem ?? (cell.health === 'healthy' ? '' : cell.reason),
        isFlexible: true,
      },
    ],
    width,
  )
}

function routers(status: FleetStatus, width: number | undefined): string {
  if (status.routers.length === 0) return warning('no router has reported')
  const isCurrent = (router: FleetStatus['routers'][number]) =>
    router.is_reporting && router.base?.version === status.base?.version
  return formatTable(
    status.routers,
    [
      { title: 'ROUTER', value: (router) => router.router },
      {
        title: 'REPORTS',
        value: (router) => (router.is_reporting ? 'yes' : 'no'),
        style: (text, router) => (router.is_reporting ? good(text) : bad(text)),
      },
      {
        title: 'TOPOLOGY',
        value: (router) => (router.base ? `${router.base.epoch}.${router.base.version}` : 'none'),
        style: (text, router) => (isCurrent(router) ? good(text) : warning(text)),
      },
      { title: 'OVERLAY', value: (router) => (router.overlay ? String(router.overlay.version) : 'none') },
      { title: 'REFUSED', value: (router) => String(router.refused_documents), align: 'right' },
      { title: 'LAST REFUSAL', value: (router) => router.last_refusal ?? '', isFlexible: true },
    ],
    width,
  )
}

function remarks(status: FleetStatus): string[] {
  const lines: string[] = []
  const radius = status.blast_radius
  if (radius) {
    lines.push(
      `blast radius  worst cell touches ${percent(radius.worst_cell_touched)} of tenants and loses ${percent(radius.worst_cell_lost)}; worst pair loses ${percent(radius.worst_pair_lost)}`,
    )
  }
  if (status.wave) {
    const { base, former, router } = status.wave
    lines.push(`base ${base} is watched at ${printableLine(router)}; the other routers have ${former}`)
  }
  for (const host of status.hosts.filter(({ is_reporting }) => !is_reporting)) {
    lines.push(bad(`host ${host.host} does not report, last at ${minute(host.last_report_at)}`))
  }
  if (status.automation.is_frozen) {
    lines.push(warning(`automation is frozen: ${printableLine(status.automation.reason)}`))
  }
  for (const problem of status.automation.problems) {
    lines.push(bad(`problem: ${printableLine(problem)}`))
  }
  return lines.length > 0 ? [lines.join('\n')] : []
}

/** `2026-11-21T09:36:12.345Z` → `2026-11-21 09:36Z`. */
function minute(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)}Z`
}
