/**
 * A report as one page that needs nothing else: no script, no font, no picture from elsewhere, so that it can be mailed and
 * still opens in five years. All text from outside is escaped; a policy in its head forbids whatever slipped through.
 */
import type { AvailabilityView, Report } from '@cellplane/contract/api'
import { percent } from '../output/print.ts'
import { PAGE_STYLE } from './page-style.ts'
import { lasted } from './report-text.ts'
import {
  availabilityText,
  costText,
  countText,
  durationText,
  ninesText,
  timeText,
  WITHOUT_CELLS_METHOD,
} from './words.ts'

/** Error shares from which a step of the strip has the next colour. */
const HEAT = [
  { from: 0.1, name: 'high', label: '10 % and more failed' },
  { from: 0.01, name: 'mid', label: '1 to 10 %' },
  { from: 0.000_001, name: 'low', label: 'up to 1 %' },
  { from: 0, name: 'ok', label: 'none failed' },
] as const
const NO_REQUESTS = { name: 'none', label: 'no requests' } as const

/** In pixels. */
const STEP = { width: 5, height: 20, gap: 1 }

type Cell = { text: string; kind?: 'number' | 'wide' | 'markup' }

export function reportPage(report: Report): string {
  const { fleet, from, until, measured_from, total } = report
  const since =
    measured_from === null
      ? 'There are no metrics of this time.'
      : `Metrics since ${timeText(measured_from)}.`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(fleet)}: availability by cell</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(fleet)}</h1>
<p>${timeText(from)} to ${timeText(until)} UTC. ${escaped(since)}</p>
${tiles(report)}
<h2>Cells</h2>
${cells(report)}
<h2>Incidents</h2>
${total.incidents === 0 ? '<p>None.</p>' : incidents(report)}
${report.tenants.length === 0 ? '' : `<h2>Tenants</h2>\n${tenants(report)}`}
<h2>How it is reckoned</h2>
<p>Availability is the share of good requests, not of minutes: answered, and not with a server error, as routers saw it, each attempt at a cell for itself. An incident lasts from the first to the last errors of a time in which a cell burned its error budget fast enough to page.</p>
<p>${escaped(WITHOUT_CELLS_METHOD)}</p>
</main>
</body>
</html>
`
}

function tiles({ total, without_cells: without }: Report): string {
  const tile = (kind: string, title: string, value: string, more: string) =>
    `<dl class="tile ${kind}"><dt>${title}</dt><dd>${value}</dd><dd>${more}</dd></dl>`
  const failed = (one: AvailabilityView) =>
    `${countText(one.failed)} of ${countText(one.requests)} failed; nines: ${ninesText(one)}`
  return `<div class="tiles">
${tile('own', 'Availability, with cells', availabilityText(total), failed(total))}
${tile('without', 'The same time without cells', availabilityText(without), failed(without))}
${tile('', 'Mean time to repair', durationText(total.mttr_seconds), `incidents: ${total.incidents}`)}
${tile('', 'Mean time between failures', durationText(total.mtbf_seconds), 'of the fleet')}
</div>`
}

function cells({ cells: rows, step_seconds: stepSeconds, steps_until: until }: Report): string {
  const isPriced = rows.some(({ cost }) => cost !== null)
  const titles = ['Cell', 'Availability', 'Nines', 'Failed', 'Incidents', 'MTTR', 'MTBF', 'Load']
  const body = rows.map((row): Cell[] => [
    { text: row.id },
    ...availabilityCells(row),
    { text: String(row.incidents), kind: 'number' },
    { text: durationText(row.mttr_seconds), kind: 'number' },
    { text: durationText(row.mtbf_seconds), kind: 'number' },
    { text: percent(row.load_share), kind: 'number' },
    ...(isPriced
      ? ([row.cost_per_month, row.cost_per_million] as const).map(
          (cost): Cell => ({ text: costText(cost), kind: 'number' }),
        )
      : []),
    { text: strip(row, stepSeconds, until), kind: 'markup' },
  ])
  const costs = isPriced ? ['Per month', 'Per million'] : []
  const legend = [...HEAT.toReversed(), NO_REQUESTS]
    .map(({ name, label }) => `<li><i class="${name}"></i>${label}</li>`)
    .join('')
  return `${table([...titles, ...costs, `Steps of ${durationText(stepSeconds)}`], body)}
<ul class="legend">${legend}</ul>`
}

/** A step's colour is its share of failed requests; its words are there for who points at it. */
function strip({ id, steps }: Report['cells'][number], stepSeconds: number, until: string): string {
  const pitch = STEP.width + STEP.gap
  const width = Math.max(1, steps.length) * pitch
  const bars = steps.map(({ requests, failed }, i) => {
    const share = requests > 0 ? failed / requests : 0
    const heat = requests > 0 ? HEAT.find(({ from }) => share >= from)! : NO_REQUESTS
    const began = new Date(Date.parse(until) - (steps.length - i) * stepSeconds * 1_000).toISOString()
    const words = `${timeText(began)}: ${countText(failed)} of ${countText(requests)} failed`
    return `<rect class="${heat.name}" x="${i * pitch}" width="${STEP.width}" height="${STEP.height}"><title>${words}</title></rect>`
  })
  return `<svg role="img" aria-label="Failed requests of ${escaped(id)} over time" width="${width}" height="${STEP.height}">${bars.join('')}</svg>`
}

function incidents({ incidents: rows }: Report): string {
  return table(
    ['Began', 'Cell', 'Lasted', 'Objective', 'Failed', 'Cause', 'What was seen'],
    rows.map((one) => [
      { text: timeText(one.from) },
      { text: one.cell },
      { text: lasted(one.from, one.until) },
      { text: one.slo },
      { text: countText(one.of_cell.failed), kind: 'number' },
      { text: one.cause },
      { text: one.reason, kind: 'wide' },
    ]),
  )
}

function tenants({ tenants: rows, without_cells: without }: Report): string {
  return `${table(
    ['Tenant', 'Availability', 'Nines', 'Failed', 'Requests', 'Incidents', 'MTTR', 'MTBF', 'Without cells'],
    rows.map((row) => [
      { text: row.tenant },
      ...availabilityCells(row),
      { text: countText(row.requests), kind: 'number' },
      { text: String(row.incidents), kind: 'number' },
      { text: durationText(row.mttr_seconds), kind: 'number' },
      { text: durationText(row.mtbf_seconds), kind: 'number' },
      { text: availabilityText(without), kind: 'number' },
    ]),
  )}
<p>The busiest, each by its own requests, counted by the hour. Without cells all of them would have shared one fate.</p>`
}

const availabilityCells = (row: AvailabilityView): Cell[] => [
  { text: availabilityText(row), kind: 'number' },
  { text: ninesText(row), kind: 'number' },
  { text: countText(row.failed), kind: 'number' },
]

function table(titles: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const kindOf = (column: number) => (rows[0]?.[column]?.kind === 'number' ? ' class="number"' : '')
  const head = titles.map((title, i) => `<th scope="col"${kindOf(i)}>${escaped(title)}</th>`).join('')
  const body = rows.map((cells) => `<tr>${cells.map(tableCell).join('')}</tr>`).join('\n')
  return `<div class="scroll"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`
}

function tableCell({ text, kind }: Cell): string {
  if (kind === 'markup') return `<td>${text}</td>`
  return `<td${kind ? ` class="${kind}"` : ''}>${escaped(text)}</td>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
