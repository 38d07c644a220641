/**
 * What a span of time comes to: availability, nines, time to repair and between failures, and beside each the
 * counterfactual: what the same outages would have cost had there been no cells.
 *
 * Availability is counted in requests, not in minutes: a cell that fails at night has failed fewer. An incident is one
 * cell's; without cells the same fault has no border, so the same share of *all* requests of that time would have
 * failed. That is an upper bound in one way (some faults would have stayed in a part) and a lower one in another (a
 * larger stack takes longer to come back); the report says how it was reckoned.
 */
import type { Counts } from './burn-rate.ts'

export type Incident = {
  readonly cell: string
  /** ms since the epoch; `until` is null while it goes on. */
  readonly from: number
  readonly until: number | null
  /** Requests of the cell, and of the whole fleet, while it lasted. */
  readonly cellCounts: Counts
  readonly fleetCounts: Counts
}

export type Availability = {
  /** Share of good requests; 1 without requests. */
  readonly availability: number
  /** −log10 of the bad share: 3 for 99.9 %; null when nothing failed. */
  readonly nines: number | null
  readonly requests: number
  readonly failed: number
  readonly incidents: number
  /** Mean length of the incidents that ended; null when none did. */
  readonly mttrSeconds: number | null
  /** Time without an incident over the number of incidents; null without incidents. */
  readonly mtbfSeconds: number | null
}

export type Span = { readonly from: number; readonly until: number }

/** Of one cell, one tenant or the fleet: its requests, and the incidents that were its own. */
export function availabilityOf(counts: Counts, incidents: readonly Incident[], span: Span): Availability {
  const { total, good } = counts
  const failed = total - good
  const ended = incidents.filter(({ until }) => until !== null)
  const repairing = ended.reduce((sum, one) => sum + lengthMs(one, span), 0)
  return {
    availability: total > 0 ? good / total : 1,
    nines: failed > 0 ? -Math.log10(failed / total) : null,
    requests: total,
    failed,
    incidents: incidents.length,
    mttrSeconds: ended.length > 0 ? repairing / ended.length / 1000 : null,
    mtbfSeconds: incidents.length > 0 ? uptimeMs(incidents, span) / incidents.length / 1000 : null,
  }
}

/**
 * The same span as it would have been without cells: counts of the fleet in it, each incident widened to everybody. Of an
 * incident that began before the span, or ended after it, the part of its time inside the span is counted. While two go on
 * at once, everybody fails by the one that began first: nobody's request fails twice.
 */
export function countsWithoutCells(fleet: Counts, incidents: readonly Incident[], span: Span): Counts {
  let lost = 0
  let coveredUntil = span.from
  for (const incident of incidents.toSorted((a, b) => a.from - b.from)) {
    const { from, cellCounts, fleetCounts } = incident
    const start = Math.max(from, coveredUntil)
    const end = Math.min(incident.until ?? span.until, span.until)
    const wholeMs = (incident.until ?? span.until) - from
    const alone = wholeMs > 0 ? Math.max(0, end - start) / wholeMs : 0
    coveredUntil = Math.max(coveredUntil, end)
    const failedShare = cellCounts.total > 0 ? (cellCounts.total - cellCounts.good) / cellCounts.total : 0
    // What of the others failed at that time has failed already.
    lost += alone * Math.max(0, fleetCounts.good - fleetCounts.total * (1 - failedShare))
  }
  // Whole requests are lost; how many there were need not be whole, as a Prometheus reckons them.
  return { total: fleet.total, good: Math.max(0, fleet.good - Math.round(lost)) }
}

/** Time of the span in which none of the incidents went on; two at once count once. */
function uptimeMs(incidents: readonly Incident[], span: Span): number {
  let up = span.until - span.from
  let coveredUntil = span.from
  for (const { from, until } of incidents.toSorted((a, b) => a.from - b.from)) {
    const start = Math.max(from, coveredUntil)
    const end = Math.min(until ?? span.until, span.until)
    if (end > start) up -= end - start
    coveredUntil = Math.max(coveredUntil, end)
  }
  return up
}

function lengthMs({ from, until }: Incident, span: Span): number {
  return Math.max(0, Math.min(until ?? span.until, span.until) - Math.max(from, span.from))
}
