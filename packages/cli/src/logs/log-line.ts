/**
 * One line of a log: when it was written, and how a person wants to read it.
 *
 * Components write what they like. JSON lines (pino's, and most others') have a time, a level and a message; PostgreSQL
 * begins its lines with the time; anything else has none and belongs to the line before it.
 */
import { printableLine } from '../output/printable.ts'
import { bad, dim, warning } from '../output/style.ts'

export type LogLine = {
  source: string
  /** Milliseconds since the epoch; undefined when the line does not say. */
  time: number | undefined
  text: string
}

const TIME_FIELDS = ['time', 'timestamp', 'ts', '@timestamp'] as const
/** What pino writes into every line, and what the source says already. */
const QUIET_FIELDS = new Set<string>([
  ...TIME_FIELDS,
  'level',
  'msg',
  'message',
  'pid',
  'hostname',
  'name',
  'v',
  'cell',
])
/** In UTC, which all our processes are told to use. */
const LEADING_TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:[.,]\d+)?)(?:Z| UTC)?\s*/
/** pino's numbers, from which a level is worth a colour. */
const LEVEL_WARN = 40
const LEVEL_ERROR = 50

export function parseLogLine(source: string, text: string): LogLine {
  const fields = parseFields(text)
  return { source, time: fields ? timeOf(fields) : leadingTime(text), text }
}

/** Whose lines are asked for; a line that names no tenant, or no trace, is nobody's. */
export type LogSubject = { tenant?: string | undefined; trace?: string | undefined }

/** The fields are those that router, kit and example write into their JSON lines. */
export function isAbout({ text }: LogLine, { tenant, trace }: LogSubject): boolean {
  if (tenant === undefined && trace === undefined) return true
  const fields = parseFields(text)
  const isOf = (name: string, wanted: string | undefined) => wanted === undefined || fields?.[name] === wanted
  return isOf('tenant_id', tenant) && isOf('trace_id', trace)
}

/** `12:34:56.789 cell-001/api  listening  port=7501` */
export function formatLogLine({ source, time, text }: LogLine, sourceWidth: number): string {
  const clock = time === undefined ? ' '.repeat(12) : new Date(time).toISOString().slice(11, 23)
  return `${dim(clock)} ${dim(source.padEnd(sourceWidth))}  ${formatText(text)}`
}

function formatText(text: string): string {
  const fields = parseFields(text)
  if (!fields) return printableLine(text.replace(LEADING_TIME, ''))
  const rest = Object.entries(fields)
    .filter(([name]) => !QUIET_FIELDS.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const line = printableLine([String(fields['msg'] ?? fields['message'] ?? ''), ...rest].join('  '))
  const level = severityOf(fields['level'])
  return level >= LEVEL_ERROR ? bad(line) : level >= LEVEL_WARN ? warning(line) : line
}

function severityOf(level: unknown): number {
  if (typeof level === 'number') return level
  return /^(err|fatal|crit)/i.test(String(level))
    ? LEVEL_ERROR
    : /^warn/i.test(String(level))
      ? LEVEL_WARN
      : 0
}

function parseFields(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function timeOf(fields: Record<string, unknown>): number | undefined {
  const value = TIME_FIELDS.map((name) => fields[name]).find((found) => found !== undefined)
  const time = typeof value === 'number' ? value : Date.parse(String(value))
  return Number.isFinite(time) ? time : undefined
}

/** `2026-11-21 09:36:12.345 UTC [123] LOG: …`, as our PostgreSQL writes it, and ISO 8601 at the start of any line. */
function leadingTime(text: string): number | undefined {
  const match = LEADING_TIME.exec(text)
  if (!match) return undefined
  const time = Date.parse(`${match[1]}T${match[2]!.replace(',', '.')}Z`)
  return Number.isFinite(time) ? time : undefined
}
