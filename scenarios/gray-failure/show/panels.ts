/**
 * Series as one SVG that needs nothing else: panels one above the other over the same seconds, some of them shaded. Each
 * name has its colour; a band is drawn between the least and the most of several values.
 */
const COLOURS = ['#c2410c', '#6b7280', '#1d4ed8']
const WIDTH = 860
const LEFT = 64
const RIGHT = 16
const PANEL = 110
const TITLE = 26
const HEAD = 62
const FOOT = 34

export type Panel = {
  title: string
  /** By second; a line for each name, or those of the names in `of`. */
  lines: readonly (readonly (number | null)[])[]
  /** Indexes of the names that the lines are of; left out: all, in order. */
  of?: readonly number[]
  /** In the colour of the first line; the least and the most of these are its edges, by second. */
  band?: readonly (readonly number[])[]
  show(value: number): string
}

export type Drawing = {
  title: string
  /** Said in a comment of the file. */
  writtenBy: string
  /** In order of their colours; of two, the first and the last colour are taken. */
  names: readonly string[]
  panels: readonly Panel[]
  seconds: number
  shaded: { from: number; until: number }
}

export function drawPanels({ title, writtenBy, names, panels, seconds, shaded }: Drawing): string {
  const height = HEAD + panels.length * (PANEL + TITLE) + FOOT
  const x = (second: number) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT)
  const colours = names.map((_, i) => colourOf(i, names.length))
  const drawn = panels.map((panel, i) =>
    drawPanel(panel, HEAD + i * (PANEL + TITLE) + TITLE, x, shaded, colours),
  )
  const axis = Array.from({ length: Math.floor(seconds / 5) + 1 }, (_, i) =>
    text(x(i * 5), height - FOOT + 18, `${i * 5} s`, 'middle'),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#1f2937">`,
    `<title>${title}</title>`,
    `<!-- Written by ${writtenBy}. -->`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="22" font-size="15" font-weight="600">${title}</text>`,
    ...names.map((name, i) => legend(name, i, colours[i]!)),
    ...drawn,
    ...axis,
    '</svg>\n',
  ].join('\n')
}

function drawPanel(
  { title, lines, of, band, show }: Panel,
  top: number,
  x: (second: number) => number,
  shaded: Drawing['shaded'],
  colours: readonly string[],
): string {
  const bottom = top + PANEL - 12
  const largest = Math.max(...[...lines.flat(), ...(band?.flat() ?? [])].map((value) => value ?? 0)) || 1
  const y = (value: number) => bottom - (value / largest) * (bottom - top)
  const colour = (line: number) => colours[of?.[line] ?? line]!
  const middle = (second: number) => x(second + 0.5).toFixed(1)
  return [
    `<rect x="${x(shaded.from)}" y="${top}" width="${x(shaded.until) - x(shaded.from)}" height="${bottom - top}" fill="#f3f4f6"/>`,
    `<text x="${LEFT}" y="${top - 6}" font-weight="600">${title}</text>`,
    ...[0, largest / 2, largest].map(
      (value) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#d1d5db"/>${text(LEFT - 6, y(value) + 4, show(value), 'end')}`,
    ),
    ...(band ? [drawBand(band, colour(0), middle, y)] : []),
    ...lines.map((values, line) => {
      const points = values.flatMap((value, second) =>
        value === null ? [] : [`${middle(second)},${y(value).toFixed(1)}`],
      )
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour(line)}" stroke-width="2"/>`
    }),
  ].join('\n')
}

function drawBand(
  values: readonly (readonly number[])[],
  colour: string,
  middle: (second: number) => string,
  y: (value: number) => number,
): string {
  const upper = values.map((at, second) => `${middle(second)},${y(Math.max(...at)).toFixed(1)}`)
  const lower = values.map((at, second) => `${middle(second)},${y(Math.min(...at)).toFixed(1)}`)
  return `<polygon points="${[...upper, ...lower.reverse()].join(' ')}" fill="${colour}" fill-opacity="0.2"/>`
}

function legend(name: string, index: number, colour: string): string {
  const left = LEFT + index * 220
  return `<line x1="${left}" x2="${left + 24}" y1="42" y2="42" stroke="${colour}" stroke-width="3"/>${text(left + 32, 46, name, 'start')}`
}

const colourOf = (index: number, count: number): string =>
  COLOURS[count === 2 && index === 1 ? COLOURS.length - 1 : index % COLOURS.length]!

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`
}
