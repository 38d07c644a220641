/**
 * A cell against its peers: the cells of the same release that have traffic. What all of them do is the release's, the
 * load's or a dependency's; what one does alone is the cell's.
 *
 * Errors are compared by the rule by which routers compare (`success-rate.ts`): far below the peers' mean, below a floor,
 * and further below than chance takes it. Latencies by the p90 of answers against the median of the peers' p90s, so that
 * one slow peer does not excuse another. Slow alone never takes a cell out: an answer that comes late is an answer, and
 * routers already send less to a cell that is slow.
 *
 * One comparison is one look at a few seconds. It counts when it has come out the same for some time.
 */
import { DURATION_BOUNDS_MS } from './durations.ts'
import { HEALTH } from './numbers.ts'
import { countedOutcomes, type RequestWindow } from './requests.ts'
import { successRateOutliers } from './success-rate.ts'

export type PeersSignal = 'ok' | 'errors' | 'slow' | 'unknown'

/** What is compared: `errors` and `slow` say against whom. */
export type Comparison = { signal: PeersSignal; reason: string }

export type ComparedCell = { slot: number; release: string; window: RequestWindow }

export type PeersState = {
  readonly signal: PeersSignal
  readonly reason: string
  /** What the comparison says instead, and since when; null while it says the same. */
  readonly contrary: { readonly signal: PeersSignal; readonly since: number } | null
}

export const UNCOMPARED: PeersState = { signal: 'unknown', reason: '', contrary: null }

/** By slot. */
export function comparePeers(cells: readonly ComparedCell[]): Map<number, Comparison> {
  const results = new Map<number, Comparison>()
  for (const group of Map.groupBy(cells, ({ release }) => release).values()) {
    const rates = group.map(({ window }) => countedOutcomes(window))
    const outliers = new Set(successRateOutliers(rates, HEALTH.peersErrors))
    const compared = rates.filter(({ volume }) => volume >= HEALTH.peersErrors.volumeMin)
    const ratios = compared.reduce((sum, rate) => sum + rate.ratio, 0)
    const p90s = group.map(({ window }) => p90Of(window))
    const sortedP90s = p90s.filter((p90) => p90 !== null).sort((a, b) => a - b)
    for (const [index, { slot }] of group.entries()) {
      const { volume, ratio } = rates[index]!
      if (volume < HEALTH.peersErrors.volumeMin || compared.length < 2) {
        results.set(slot, { signal: 'unknown', reason: '' })
      } else if (outliers.has(index)) {
        const mean = (ratios - ratio) / (compared.length - 1)
        const reason = `${percent(1 - ratio)} of its requests fail, where its peers fail ${percent(1 - mean)}`
        results.set(slot, { signal: 'errors', reason })
      } else results.set(slot, compareLatency(p90s[index]!, sortedP90s))
    }
  }
  return results
}

export function nextPeersState(state: PeersState, comparison: Comparison, now: number): PeersState {
  if (comparison.signal === state.signal) return { ...comparison, contrary: null }
  const since = state.contrary?.signal === comparison.signal ? state.contrary.since : now
  // Nothing to compare is said at once: it is the end of a finding, not a finding.
  if (comparison.signal === 'unknown' || now - since >= HEALTH.peersAfterMs) {
    return { ...comparison, contrary: null }
  }
  return { ...state, contrary: { signal: comparison.signal, since } }
}

/** `sorted`: those of the whole group, with the cell's own. Sorted once for all, because each look compares each cell. */
function compareLatency(own: number | null, sorted: readonly number[]): Comparison {
  if (own === null || sorted.length < 2) return { signal: 'ok', reason: '' }
  // The lower one of two in the middle: the cell has to be slower than half of its peers, not than their worse half.
  const middle = (sorted.length - 2) >> 1
  // Without its own, those above it move down by one place.
  const median = own <= sorted[middle]! ? sorted[middle + 1]! : sorted[middle]!
  const isSlow = own >= HEALTH.slowFactor * median && own - median >= HEALTH.slowByMs
  return isSlow
    ? {
        signal: 'slow',
        reason: `nine in ten of its answers take up to ${Math.round(own)} ms, its peers’ ${Math.round(median)} ms`,
      }
    : { signal: 'ok', reason: '' }
}

/** Interpolated within its bucket; null where there are too few answers. What is beyond the last bound counts as that bound. */
function p90Of({ durations }: RequestWindow): number | null {
  const total = durations.reduce((sum, count) => sum + count, 0)
  if (total < HEALTH.slowAnswersMin) return null
  let left = 0.9 * total
  for (const [bucket, count] of durations.entries()) {
    const upper = DURATION_BOUNDS_MS[bucket]
    if (upper === undefined) break
    if (left <= count) {
      const lower = DURATION_BOUNDS_MS[bucket - 1] ?? 0
      return lower + (upper - lower) * (left / count)
    }
    left -= count
  }
  return DURATION_BOUNDS_MS.at(-1)!
}

const percent = (share: number) => `${Math.round(share * 100)} %`
