/**
 * What `cellplane top` shows: a line for the fleet, a row for each cell, those in trouble first. Pure: traffic and the
 * room that there is in, text out.
 *
 * Where the terminal is narrow, columns go, the ones that say least first; where it is low, the calm cells do.
 */
import type { Traffic } from '@cellplane/contract/api'
import { healthText, stateText } from '../output/cells.ts'
import { count, percent } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'
import { bad, bold, dim, good, warning } from '../output/style.ts'
import { type Column, formatTable } from '../output/table.ts'

type Row = Traffic['cells'][number]

/** In columns and lines; undefined: as much as it takes. */
export type Room = { width?: number | undefined; height?: number | undefined }

/** Of a cell's requests: from here on errors are worth a colour. */
const ERRORS_WARN = 0.001
const ERRORS_BAD = 0.01
/** The same for those that found it full. */
const FULL_WARN = 0.01
const FULL_BAD = 0.1
/** Heading, blank line, titles, and the line on what is not shown. */
const LINES_AROUND = 4

/** A column is there from this width on. */
const COLUMNS: readonly (Column<Row> & { fromWidth: number })[] = [
  { fromWidth: 0, title: 'CELL', value: ({ id }) => id },
  { fromWidth: 88, title: 'STATE', value: ({ state }) => state, style: stateText },
  { fromWidth: 0, title: 'HEALTH', value: ({ health }) => health, style: healthText },
  { fromWidth: 0, title: 'REQ/S', value: (row) => rate(row.requests_per_second), align: 'right' },
  {
    fromWidth: 0,
    title: 'ERRORS',
    value: ({ error_share: share }) => percent(share),
    style: (text, { error_share: share }) =>
      share >= ERRORS_BAD ? bad(text) : share >= ERRORS_WARN ? warning(text) : text,
    align: 'right',
  },
  { fromWidth: 62, title: 'P50', value: ({ p50_ms: ms }) => duration(ms), align: 'right' },
  { fromWidth: 54, title: 'P99', value: ({ p99_ms: ms }) => duration(ms), align: 'right' },
  { fromWidth: 100, title: 'IN FLIGHT', value: (row) => String(row.in_flight), align: 'right' },
  {
    fromWidth: 108,
    title: 'FULL',
    value: (row) => percent(row.full_share),
    style: (text, { full_share: share }) =>
      share >= FULL_BAD ? bad(text) : share >= FULL_WARN ? warning(text) : text,
    align: 'right',
  },
  {
    fromWidth: 74,
    title: 'BUDGET',
    value: ({ budget_left: left }) => (left === null ? '–' : budget(left)),
    style: (text, { budget_left: left }) =>
      left === null ? dim(text) : left <= 0 ? bad(text) : left < 0.5 ? warning(text) : good(text),
    align: 'right',
  },
  {
    fromWidth: 54,
    title: 'ALERT',
    value: ({ alert }) => alert ?? '',
    style: (text, { alert }) => (alert === 'page' ? bad(text) : alert === 'ticket' ? warning(text) : text),
  },
  { fromWidth: 120, title: 'EJECTED BY', value: (row) => row.ejected_by.join(', '), isFlexible: true },
  { fromWidth: 132, title: 'NOTE', value: noteOf, isFlexible: true },
]

export function formatTop(traffic: Traffic, { width, height }: Room = {}): string {
  const columns = COLUMNS.filter(({ fromWidth }) => width === undefined || width >= fromWidth)
  const rows = traffic.cells.toSorted((a, b) => troubleOf(b) - troubleOf(a))
  const shown = height === undefined ? rows : rows.slice(0, Math.max(1, height - LINES_AROUND))
  const hidden = rows.length - shown.length
  return [
    summary(traffic),
    '',
    formatTable(shown, columns, width ?? Number.MAX_SAFE_INTEGER),
    ...(hidden > 0 ? [dim(`${count(hidden, 'calmer cell')} not shown`)] : []),
  ].join('\n')
}

function summary({ cells, at, automation, routers_reporting: routers }: Traffic): string {
  const total = cells.reduce((sum, cell) => sum + cell.requests_per_second, 0)
  const failed = cells.reduce((sum, cell) => sum + cell.requests_per_second * cell.error_share, 0)
  const paging = cells.filter(({ alert }) => alert === 'page').length
  const parts = [
    `${rate(total)} requests/s`,
    `${percent(total > 0 ? failed / total : 0)} errors`,
    count(cells.length, 'cell'),
    routers > 0 ? count(routers, 'router') : bad('no router reports'),
    ...(paging > 0 ? [bad(`${count(paging, 'cell')} paging`)] : []),
    ...(automation.is_frozen ? [warning('automation is frozen')] : []),
    ...(automation.problems.length > 0 ? [bad(count(automation.problems.length, 'problem'))] : []),
  ]
  return `${bold(`${at.slice(11, 19)}Z`)}  ${parts.join('  ')}`
}

/** Cells in trouble come first; of equals, the order of the API stays. */
function troubleOf(row: Row): number {
  return (
    (row.alert === 'page' ? 1_000 : row.alert === 'ticket' ? 10 : 0) +
    (row.health === 'unhealthy' ? 500 : row.health === 'suspect' ? 50 : 0) +
    (row.ejected_by.length > 0 ? 100 : 0) +
    (row.error_share >= ERRORS_BAD ? 200 : 0)
  )
}

function noteOf({ health, reason }: Row): string {
  return health === 'healthy' ? '' : printableLine(reason)
}

/** `0`, `0.4`, `12.5`, `1,234`. */
function rate(perSecond: number): string {
  if (perSecond === 0) return '0'
  return perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en-US')
}

/** `0.8 ms`, `12 ms`, `1.2 s`. */
function duration(ms: number | null): string {
  if (ms === null) return '–'
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** An overdrawn one may be overdrawn a thousand times; by how much says nothing more than that. */
function budget(left: number): string {
  return left < -9.99 ? '< −999 %' : `${left < 0 ? '−' : ''}${Math.round(Math.abs(left) * 100)} %`
}
