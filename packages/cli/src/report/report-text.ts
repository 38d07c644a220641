/** A report for the terminal. */
import type { AvailabilityView, Report } from '@cellplane/contract/api'
import { count, percent } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'
import { bad, bold, dim, good, warning } from '../output/style.ts'
import { type Column, formatPairs, formatTable } from '../output/table.ts'
import {
  availabilityText,
  costText,
  countText,
  durationText,
  ninesText,
  timeText,
  WITHOUT_CELLS_METHOD,
} from './words.ts'

/** Incidents that a terminal shows; the page and JSON have all. */
const INCIDENTS_SHOWN = 20

/** `width` in columns; undefined: the terminal's. */
export function formatReport(report: Report, width?: number): string {
  return [
    heading(report),
    comparison(report),
    cells(report, width),
    ...(report.tenants.length > 0 ? [tenants(report, width)] : []),
    incidents(report, width),
    dim(WITHOUT_CELLS_METHOD),
  ].join('\n\n')
}

function heading({ fleet, from, until, measured_from }: Report): string {
  const measured = measured_from && timeText(measured_from)
  const since = measured === null ? warning('no metrics of this time') : `metrics since ${measured}`
  return `${bold(fleet)}  ${timeText(from)} to ${timeText(until)} UTC, ${since}`
}

function comparison({ total, without_cells: without }: Report): string {
  const line = (one: AvailabilityView) =>
    `${availabilityText(one)}  nines ${ninesText(one)}  ${countText(one.failed)} of ${countText(one.requests)} requests failed`
  return formatPairs([
    ['with cells', line(total)],
    ['without', line(without)],
    [
      'incidents',
      `${total.incidents}  mean time to repair ${durationText(total.mttr_seconds)}  between failures ${durationText(total.mtbf_seconds)}`,
    ],
  ])
}

function availabilityColumns<Row extends AvailabilityView>(): Column<Row>[] {
  return [
    {
      title: 'AVAILABILITY',
      value: availabilityText,
      style: (text, { availability }) =>
        availability >= 0.999 ? good(text) : availability >= 0.99 ? warning(text) : bad(text),
      align: 'right',
    },
    { title: 'NINES', value: ninesText, align: 'right' },
    { title: 'REQUESTS', value: ({ requests }) => countText(requests), align: 'right' },
    { title: 'FAILED', value: ({ failed }) => countText(failed), align: 'right' },
  ]
}

function cells(report: Report, width: number | undefined): string {
  type Row = Report['cells'][number]
  const isPriced = report.cells.some(({ cost }) => cost !== null)
  const costs: Column<Row>[] = [
    { title: 'PER MONTH', value: (row) => costText(row.cost_per_month), align: 'right' },
    { title: 'PER MILLION', value: (row) => costText(row.cost_per_million), align: 'right' },
  ]
  return formatTable(
    report.cells,
    [
      { title: 'CELL', value: ({ id }) => id, isFlexible: true },
      ...availabilityColumns<Row>(),
      { title: 'INCIDENTS', value: (row) => String(row.incidents), align: 'right' },
      { title: 'MTTR', value: (row) => durationText(row.mttr_seconds), align: 'right' },
      { title: 'MTBF', value: (row) => durationText(row.mtbf_seconds), align: 'right' },
      { title: 'LOAD', value: (row) => percent(row.load_share), align: 'right' },
      ...(isPriced ? costs : []),
    ],
    width,
  )
}

function tenants(report: Report, width: number | undefined): string {
  return formatTable(
    report.tenants,
    [
      { title: 'TENANT', value: ({ tenant }) => tenant, isFlexible: true },
      ...availabilityColumns<Report['tenants'][number]>(),
      { title: 'INCIDENTS', value: (row) => String(row.incidents), align: 'right' },
      { title: 'MTTR', value: (row) => durationText(row.mttr_seconds), align: 'right' },
      { title: 'MTBF', value: (row) => durationText(row.mtbf_seconds), align: 'right' },
      // One fate for all.
      { title: 'WITHOUT CELLS', value: () => availabilityText(report.without_cells), align: 'right' },
    ],
    width,
  )
}

function incidents({ incidents: all }: Report, width: number | undefined): string {
  if (all.length === 0) return good('no incidents')
  const hidden = all.length - INCIDENTS_SHOWN
  const table = formatTable(
    all.slice(0, INCIDENTS_SHOWN),
    [
      { title: 'INCIDENT', value: ({ from }) => timeText(from) },
      { title: 'CELL', value: ({ cell }) => cell },
      { title: 'LASTED', value: ({ from, until }) => lasted(from, until) },
      { title: 'SLO', value: ({ slo }) => slo },
      { title: 'FAILED', value: (one) => countText(one.of_cell.failed), align: 'right' },
      { title: 'CAUSE', value: ({ cause }) => cause },
      { title: 'SEEN', value: ({ reason }) => printableLine(reason), isFlexible: true },
    ],
    width,
  )
  return hidden > 0 ? `${table}\n${dim(`${count(hidden, 'earlier incident')} not shown`)}` : table
}

export function lasted(from: string, until: string | null): string {
  return until === null ? 'goes on' : durationText((Date.parse(until) - Date.parse(from)) / 1_000)
}
