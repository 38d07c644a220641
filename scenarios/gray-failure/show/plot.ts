/**
 * The series as one SVG that needs nothing else: panels one above the other over the same seconds, the fault shaded. Each
 * proxy has its colour; the last panels show where the load was, the broken instance as a line and the others as a band.
 */
import type { Second } from '../load/series.ts'
import type { Plan } from '../plan.ts'
import type { Replay } from '../run.ts'

const COLOURS = ['#c2410c', '#6b7280', '#1d4ed8']
const WIDTH = 860
const LEFT = 64
const RIGHT = 16
const PANEL = 110
const TITLE = 26
const HEAD = 62
const FOOT = 34

type Line = { colour: string; values: readonly (number | null)[] }
type Panel = {
  title: string
  lines: readonly Line[]
  /** Between the least and the most of these, by second. */
  band?: { colour: string; values: readonly (readonly number[])[] }
  show(value: number): string
}

export function plotOf(replays: readonly Replay[], plan: Plan): string {
  const title = `One of ${plan.instances} instances answers 500, its health check answers 200, callers retry`
  const panels = panelsOf(replays, plan)
  const height = HEAD + panels.length * (PANEL + TITLE) + FOOT
  const seconds = replays[0]!.seconds.length
  const x = (second: number) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT)
  const drawn = panels.map((panel, i) => drawPanel(panel, HEAD + i * (PANEL + TITLE) + TITLE, x, plan))
  const axis = Array.from({ length: Math.floor(seconds / 5) + 1 }, (_, i) =>
    text(x(i * 5), height - FOOT + 18, `${i * 5} s`, 'middle'),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#1f2937">`,
    `<title>${title}</title>`,
    '<!-- Written by scenarios/gray-failure/scenario.ts. -->',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="22" font-size="15" font-weight="600">${title}</text>`,
    ...legend(replays),
    ...drawn,
    ...axis,
    '</svg>\n',
  ].join('\n')
}

function panelsOf(replays: readonly Replay[], { broken }: Plan): Panel[] {
  const series = (of: (second: Second) => number | null) =>
    replays.map(({ seconds }, i) => ({ colour: colourOf(i), values: seconds.map(of) }))
  const percent = (value: number) => `${Math.round(value * 100)} %`
  return [
    { title: 'actions that succeeded', lines: series(({ okRatio }) => okRatio), show: percent },
    {
      title: 'tenants that saw a failure so far',
      lines: series(({ tenantsFailedShare }) => tenantsFailedShare),
      show: percent,
    },
    {
      title: 'calls sent to calls needed',
      lines: series(({ amplification }) => amplification),
      show: (value) => `${value.toFixed(1)} ×`,
    },
    {
      title: 'p50 of actions',
      lines: series(({ p50Ms }) => p50Ms),
      show: (value) => `${Math.round(value)} ms`,
    },
    {
      title: 'p99 of actions',
      lines: series(({ p99Ms }) => p99Ms),
      show: (value) => `${Math.round(value)} ms`,
    },
    ...replays.map(({ proxy, seconds }, i) => ({
      title: `requests a second at each instance, ${proxy}: the broken one (line), the others (band)`,
      lines: [{ colour: colourOf(i), values: seconds.map(({ arrived }) => arrived[broken]!) }],
      band: {
        colour: colourOf(i),
        values: seconds.map(({ arrived }) => arrived.filter((_, instance) => instance !== broken)),
      },
      show: (value: number) => String(Math.round(value)),
    })),
  ]
}

function drawPanel(panel: Panel, top: number, x: (second: number) => number, plan: Plan): string {
  const { lines, band, show } = panel
  const bottom = top + PANEL - 12
  const all = [...lines.flatMap(({ values }) => values), ...(band?.values.flat() ?? [])]
  const largest = Math.max(...all.map((value) => value ?? 0)) || 1
  const y = (value: number) => bottom - (value / largest) * (bottom - top)
  const faultFrom = x(plan.beforeMs / 1000)
  const faultUntil = x((plan.beforeMs + plan.faultMs) / 1000)
  const middle = (second: number) => x(second + 0.5).toFixed(1)
  return [
    `<rect x="${faultFrom}" y="${top}" width="${faultUntil - faultFrom}" height="${bottom - top}" fill="#f3f4f6"/>`,
    `<text x="${LEFT}" y="${top - 6}" font-weight="600">${panel.title}</text>`,
    ...[0, largest / 2, largest].map(
      (value) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#d1d5db"/>${text(LEFT - 6, y(value) + 4, show(value), 'end')}`,
    ),
    ...(band ? [drawBand(band, middle, y)] : []),
    ...lines.map(({ colour, values }) => {
      const points = values.flatMap((value, second) =>
        value === null ? [] : [`${middle(second)},${y(value).toFixed(1)}`],
      )
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`
    }),
  ].join('\n')
}

function drawBand(
  { colour, values }: NonNullable<Panel['band']>,
  middle: (second: number) => string,
  y: (value: number) => number,
): string {
  const upper = values.map((at, second) => `${middle(second)},${y(Math.max(...at)).toFixed(1)}`)
  const lower = values.map((at, second) => `${middle(second)},${y(Math.min(...at)).toFixed(1)}`)
  return `<polygon points="${[...upper, ...lower.reverse()].join(' ')}" fill="${colour}" fill-opacity="0.2"/>`
}

function legend(replays: readonly Replay[]): string[] {
  return replays.map(({ proxy }, i) => {
    const left = LEFT + i * 220
    return `<line x1="${left}" x2="${left + 24}" y1="42" y2="42" stroke="${colourOf(i)}" stroke-width="3"/>${text(left + 32, 46, proxy, 'start')}`
  })
}

const colourOf = (index: number): string => COLOURS[index % COLOURS.length]!

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`
}
