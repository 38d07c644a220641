/**
 * The rolling store on disk, so that a restart forgets nothing. Each finished step is appended as one line of JSON to
 * the file of its hour (fine steps) or day (coarse ones), and of more files than the store goes back the oldest are removed.
 *
 *     fine-2026-11-21T15.jsonl    {"step":179500123,"cells":{"cell-001":[120,120,3,480,0,…]}}
 *     coarse-2026-11-21.jsonl     the same, of five minutes
 *
 * Columns are only ever added at the end, so a row of before saturation was counted is one without any.
 *
 * A line that a crash cut off, or that a bad disk changed, is skipped and counted when they are read again. By a fine one at
 * most ten seconds are lost; a coarse one is made again of its fine ones, and where those are gone five minutes are lost. A
 * file that cannot be read at all costs what is in it, and is named.
 *
 * Times are the wall clock's, which may be wrong for a while: a line of a time that has not come, or that is not its
 * file's, is skipped like a broken one; when the clock is set back, what is finished by it is written; and files are
 * removed by their number, so that no time that the clock says can remove them all.
 *
 * After an append that failed, its steps are all written again, and count once when read. 100 cells take some 70–115 MB a
 * day.
 */
import { createReadStream } from 'node:fs'
import { appendFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { COLUMNS, SATURATION_BUCKETS } from './columns.ts'
import {
  COARSE_KEPT_SECONDS,
  COARSE_SECONDS,
  FINE_KEPT_SECONDS,
  FINE_SECONDS,
  type Resolution,
  type RollingStore,
  stepOf,
} from './rolling-store.ts'

export type Journal = {
  /** Lines that could not be read at the start. */
  readonly skipped: number
  /** Files that could not be read at the start and are there still, and why: `EIO: …`. */
  readonly unreadable: ReadonlyMap<string, string>
  /** Writes the steps that have ended since the last call, and removes old files. Rejects when the disk is full. */
  save(now: number): Promise<void>
}

type Series = {
  resolution: Resolution
  stepSeconds: number
  keptSeconds: number
  /** As much of the ISO time as names its file. */
  nameLength: number
  /** As many as what is kept begins and ends in, and two that a wrong clock named. */
  filesMax: number
}

/** Coarse before fine: fine steps fill up the coarse one that was not finished. */
const SERIES: readonly Series[] = [
  {
    resolution: 'coarse',
    stepSeconds: COARSE_SECONDS,
    keptSeconds: COARSE_KEPT_SECONDS,
    nameLength: '2026-11-21'.length,
    filesMax: 32 + 2,
  },
  {
    resolution: 'fine',
    stepSeconds: FINE_SECONDS,
    keptSeconds: FINE_KEPT_SECONDS,
    nameLength: '2026-11-21T15'.length,
    filesMax: 26 + 2,
  },
]

/** Routers report each second and late by a little; a step is written when nothing more is expected of it. */
const SETTLE_MS = 5_000

/** Steps that one call writes at most: after a time without a disk the oldest are given up. */
const STEPS_AT_ONCE_MAX = 360

/** Reads what is in `folder` into the store, and follows the store from `now` (ms since the epoch) on. */
export async function openJournal(folder: string, store: RollingStore, now: number): Promise<Journal> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  let skipped = 0
  const unreadable = new Map<string, string>()
  const written = new Map<Series, number>()
  /** Files that may end within a line: by a crash before this start, or by an append that failed. */
  const cut = new Set<string>()
  for (const series of SERIES) {
    for (const file of (await filesOf(folder, series)).toSorted()) {
      if (isOver(file, series, now)) continue
      cut.add(file)
      try {
        for await (const line of linesOf(join(folder, file))) {
          if (line !== '' && !restoreLine(store, { series, file, now }, line)) skipped++
        }
      } catch (error) {
        unreadable.set(file, (error as Error).message)
      }
    }
    written.set(series, finishedStep(series, now))
  }

  async function saveSeries(series: Series, at: number): Promise<void> {
    const last = finishedStep(series, at)
    let before = written.get(series)!
    // By a step the clock may be set back at any time; by more, what was written is of a time that has not come.
    if (last < before - 1) before = last - STEPS_AT_ONCE_MAX
    const first = Math.max(before + 1, last - STEPS_AT_ONCE_MAX + 1)
    const texts = new Map<string, string>()
    for (let step = first; step <= last; step++) {
      const cells = Object.fromEntries(
        Array.from(store.rows(series.resolution, step), ([cell, row]) => [cell, row]),
      )
      if (Object.keys(cells).length === 0) continue
      const file = fileOf(step, series)
      texts.set(file, `${texts.get(file) ?? ''}${JSON.stringify({ step, cells })}\n`)
    }
    for (const [file, text] of texts) {
      const begin = cut.has(file) ? '\n' : ''
      // Until it is known to have ended well.
      cut.add(file)
      await appendFile(join(folder, file), begin + text, { mode: 0o600 })
      cut.delete(file)
    }
    written.set(series, Math.max(last, before))
    const files = (await filesOf(folder, series)).toSorted()
    for (const file of files.splice(0, files.length - series.filesMax)) {
      await rm(join(folder, file), { force: true })
      cut.delete(file)
    }
    const areThere = new Set(files)
    for (const file of unreadable.keys()) {
      if (file.startsWith(series.resolution) && !areThere.has(file)) unreadable.delete(file)
    }
  }

  return {
    get skipped() {
      return skipped
    },
    unreadable,
    async save(at) {
      for (const series of SERIES) await saveSeries(series, at)
    },
  }
}

/** The newest step of which nothing more is to come. */
function finishedStep({ stepSeconds }: Series, at: number): number {
  return stepOf(at - SETTLE_MS, stepSeconds) - 1
}

function fileOf(step: number, { resolution, stepSeconds, nameLength }: Series): string {
  const time = new Date(step * stepSeconds * 1000).toISOString().slice(0, nameLength)
  return `${resolution}-${time}.jsonl`
}

async function filesOf(folder: string, { resolution }: Series): Promise<string[]> {
  const pattern = new RegExp(`^${resolution}-\\d{4}-\\d\\d-\\d\\d(T\\d\\d)?\\.jsonl$`)
  return (await readdir(folder)).filter((name) => pattern.test(name))
}

/** Whether all of the file is older than what is kept: names sort as times do. */
function isOver(file: string, series: Series, at: number): boolean {
  return file < fileOf(stepOf(at - series.keptSeconds * 1000, series.stepSeconds), series)
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })
}

type Place = { series: Series; file: string; now: number }

/** False when the line is broken. */
function restoreLine(store: RollingStore, { series, file, now }: Place, line: string): boolean {
  const { resolution, stepSeconds, keptSeconds } = series
  try {
    const { step, cells } = JSON.parse(line) as { step?: unknown; cells?: unknown }
    if (typeof step !== 'number' || !Number.isSafeInteger(step)) return false
    if (typeof cells !== 'object' || cells === null) return false
    const rows = Object.entries(cells)
    if (!rows.every(([, row]) => isRow(row))) return false
    const current = stepOf(now, stepSeconds)
    if (step > current || fileOf(step, series) !== file) return false
    // The oldest file begins before what is kept does.
    if (step <= current - keptSeconds / stepSeconds) return true
    for (const [cell, row] of rows) store.restore(resolution, cell, step, wholeRow(row as number[]))
    return true
  } catch {
    return false
  }
}

/** How long rows are, and how long they were before saturation was counted. */
const LENGTHS: readonly number[] = [COLUMNS, SATURATION_BUCKETS]

const isRow = (row: unknown) =>
  Array.isArray(row) &&
  LENGTHS.includes(row.length) &&
  row.every((value) => Number.isFinite(value) && value >= 0)

const wholeRow = (row: readonly number[]) => Array.from({ length: COLUMNS }, (_, column) => row[column] ?? 0)
