/**
 * Tables that fit a terminal: columns are as wide as what they hold, and where that is too much, the one flexible column
 * gives way. Into a pipe nothing is cut, since there is no edge.
 */
import { stripVTControlCharacters } from 'node:util'
import { printableLine } from './printable.ts'
import { dim } from './style.ts'

export type Column<Row> = {
  title: string
  value: (row: Row) => string
  /** Applied after measuring, so that colour does not count as width. */
  style?: (text: string, row: Row) => string
  align?: 'left' | 'right'
  /** Cut with … where the table is too wide. */
  isFlexible?: boolean
}

const GAP = '  '
/** Below this a cut column says nothing. */
const FLEXIBLE_WIDTH_MIN = 8

/** `width` in columns; undefined: unlimited. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number | undefined = terminalWidth(),
): string {
  const cells = rows.map((row) => columns.map((column) => printableLine(column.value(row))))
  const natural = columns.map((column, c) =>
    Math.max(widthOf(column.title), ...cells.map((line) => widthOf(line[c]!))),
  )
  const widths = fit(natural, columns, width)
  const line = (texts: readonly string[], style: (text: string, c: number) => string) =>
    texts
      .map((text, c) => {
        const isLast = c === columns.length - 1
        const cut = cutTo(text, widths[c]!)
        const padding = ' '.repeat(Math.max(0, widths[c]! - widthOf(cut)))
        const styled = style(cut, c)
        return columns[c]!.align === 'right' ? padding + styled : isLast ? styled : styled + padding
      })
      .join(GAP)
      .trimEnd()
  return [
    line(
      columns.map((column) => column.title),
      dim,
    ),
    ...cells.map((texts, r) => line(texts, (text, c) => columns[c]!.style?.(text, rows[r]!) ?? text)),
  ].join('\n')
}

/** Lines of `name  value`, the values under each other. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => widthOf(name)))
  return pairs
    .map(([name, value]) => {
      const padding = ' '.repeat(width - widthOf(name))
      return `${dim(name)}${padding}${GAP}${printable(value, width + GAP.length)}`
    })
    .join('\n')
}

/** Further lines of a value stand under its first. */
function printable(value: string, indent: number): string {
  return value
    .split('\n')
    .map(printableLine)
    .join(`\n${' '.repeat(indent)}`)
}

function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined
}

function fit<Row>(
  natural: readonly number[],
  columns: readonly Column<Row>[],
  width: number | undefined,
): number[] {
  const total = natural.reduce((sum, w) => sum + w, 0) + GAP.length * (columns.length - 1)
  const excess = width === undefined ? 0 : Math.max(0, total - width)
  return natural.map((w, c) =>
    columns[c]!.isFlexible ? Math.max(Math.min(w, FLEXIBLE_WIDTH_MIN), w - excess) : w,
  )
}

function cutTo(text: string, width: number): string {
  return widthOf(text) <= width ? text : `${[...text].slice(0, Math.max(0, width - 1)).join('')}…`
}

function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length
}
