/**
 * Counts of long windows as sums of days. What a past day had does not change any more, so each is asked for once: a look
 * at a month of 600 series, scraped each ten seconds, would have a Prometheus read 150 million numbers each time, and in
 * one query that nobody waits for.
 *
 *     from ──┤ rest │ day │ day │ … │ day │ rest ├── until
 *             asked   remembered             asked
 */
import type { Counts } from '@cellplane/core'
import type { Indicator, Window } from '../fleet-metrics.ts'

const DAY_MS = 86_400_000
/** Shorter windows are asked for in whole. */
const WHOLE_SECONDS_MAX = 2 * 86_400
/** A day counts as past when its last scrapes have surely been stored. */
const SETTLE_MS = 10 * 60_000
/** Days × indicators: a month of eight objectives and of availability itself. */
const REMEMBERED_MAX = 9 * 32

type CellCounts = ReadonlyMap<string, Counts>
type AskCounts = (window: Window, indicator: Indicator) => Promise<CellCounts>

export function rememberPastDays(ask: AskCounts): AskCounts {
  /** The longest remembered first. */
  const remembered = new Map<string, { end: number; counts: CellCounts }>()
  const isPast = (end: number, until: number) => until - end >= SETTLE_MS

  /** A clock that was ahead made days past that had not been yet: they would lack in a month's budget. */
  function forgetFuture(until: number): void {
    for (const [key, { end }] of remembered) if (!isPast(end, until)) remembered.delete(key)
  }

  async function ofDay(end: number, indicator: Indicator, until: number): Promise<CellCounts> {
    const key = `${end} ${JSON.stringify(indicator)}`
    const known = remembered.get(key)
    if (known) return known.counts
    const counts = await ask({ until: end, seconds: DAY_MS / 1_000 }, indicator)
    if (isPast(end, until)) {
      remembered.set(key, { end, counts })
      const [oldest] = remembered.keys()
      if (remembered.size > REMEMBERED_MAX) remembered.delete(oldest!)
    }
    return counts
  }

  return async (window, indicator) => {
    if (window.seconds <= WHOLE_SECONDS_MAX) return await ask(window, indicator)
    const { until } = window
    forgetFuture(until)
    const from = until - window.seconds * 1_000
    const firstDay = Math.ceil(from / DAY_MS) * DAY_MS
    const lastDay = Math.floor(until / DAY_MS) * DAY_MS
    const parts = [rest(from, firstDay), rest(lastDay, until)].map((part) => part && ask(part, indicator))
    for (let end = firstDay + DAY_MS; end <= lastDay; end += DAY_MS) parts.push(ofDay(end, indicator, until))
    return sumOf((await Promise.all(parts)).filter((part) => part !== undefined))
  }
}

const rest = (from: number, until: number): Window | undefined =>
  until - from >= 1_000 ? { until, seconds: (until - from) / 1_000 } : undefined

function sumOf(parts: readonly CellCounts[]): CellCounts {
  const sums = new Map<string, Counts>()
  for (const part of parts) {
    for (const [cell, { total, good }] of part) {
      const before = sums.get(cell)
      sums.set(cell, { total: total + (before?.total ?? 0), good: good + (before?.good ?? 0) })
    }
  }
  return sums
}
