/**
 * Outlier detection: what a router sees itself of each cell, without asking anybody. It finds the cell whose own
 * health check lies, and works while the control plane is gone.
 *
 *     serving ──(failures in a row)──▶ ejected ──(time is up)──▶ on probation ──(ramp is over)──▶ serving
 *                                         ▲                            │
 *                                         └──────(a single failure)────┘
 *
 * - **serving**: enough failures in a row, with no success between them, eject the cell. A connection that fails says
 *   more than an answer of 5xx, which one bad tenant can cause: fewer are enough.
 * - **ejected**: out of the choice for a time that doubles with each ejection in a row, up to a limit. Answers that come
 *   in meanwhile are old and are not counted.
 * - **on probation**: back in the choice, with a share that ramps up. A single failure ejects it again. When the ramp
 *   is over it serves as before, and the count of ejections begins anew.
 *
 * At most a share of the cells is ejected at once, though always one: when most look bad, it is the observer or
 * something that they all depend on, and taking the rest out would only move the load onto the last ones.
 */
import { rampFitness } from './ramp.ts'

export type OutlierPolicy = {
  /** 5xx answers and broken connections in a row. */
  failuresMax: number
  /** Failed connection attempts in a row. */
  connectFailuresMax: number
  ejectionMs: number
  ejectionMsMax: number
  ejectedShareMax: number
  rampMs: number
}

/** Five failures in a row is Envoy's default; the times are shorter than its, since a shard has another cell and an ejection costs little. */
export const OUTLIER_POLICY: OutlierPolicy = {
  failuresMax: 5,
  connectFailuresMax: 2,
  ejectionMs: 1_000,
  ejectionMsMax: 30_000,
  ejectedShareMax: 0.5,
  rampMs: 10_000,
}

export type Outcome = 'ok' | 'error' | 'connect-failure'
export type OutlierChange = { index: number; slot: number; change: 'ejected' | 'readmitted' }

export type OutlierDetector = {
  /** Takes the outcome of one attempt; returns the ejection that it caused, if any. `now` in ms since the epoch. */
  record(index: number, outcome: Outcome, now: number): OutlierChange | null
  /** Readmits cells whose time is up. To be called a few times a second. */
  tick(now: number): OutlierChange[]
  isEjected(index: number): boolean
  /** 0 while ejected, the ramp's share on probation, 255 otherwise. */
  fitness(index: number, now: number): number
  readonly ejectedCount: number
  /** What is known of a cell, for the detector of the next snapshot. */
  stateOfSlot(slot: number): CellRecord | undefined
}

type CellRecord = {
  phase: 'serving' | 'ejected' | 'probation'
  /** When the phase began. */
  since: number
  failures: number
  connectFailures: number
  /** Ejections in a row; the time out doubles with each. */
  ejections: number
}

/** `previous` hands over what it knows of the cells that are still there: a new topology is no amnesty. */
export function createOutlierDetector(
  policy: OutlierPolicy,
  cells: readonly { slot: number }[],
  previous?: OutlierDetector,
): OutlierDetector {
  const records = cells.map(
    ({ slot }): CellRecord =>
      previous?.stateOfSlot(slot) ?? {
        phase: 'serving',
        since: 0,
        failures: 0,
        connectFailures: 0,
        ejections: 0,
      },
  )
  const indexBySlot = new Map(cells.map(({ slot }, index) => [slot, index]))
  const ejectedMax = Math.max(1, Math.floor(policy.ejectedShareMax * cells.length))
  let ejectedCount = records.filter((record) => record.phase === 'ejected').length

  const change = (index: number, what: OutlierChange['change']): OutlierChange => ({
    index,
    slot: cells[index]!.slot,
    change: what,
  })

  return {
    record(index, outcome, now) {
      const record = records[index]!
      if (record.phase === 'ejected') return null
      if (outcome === 'ok') {
        record.failures = 0
        record.connectFailures = 0
        return null
      }
      record.failures++
      if (outcome === 'connect-failure') record.connectFailures++
      const isTooMuch =
        record.phase === 'probation' ||
        record.failures >= policy.failuresMax ||
        record.connectFailures >= policy.connectFailuresMax
      if (!isTooMuch || ejectedCount >= ejectedMax) return null
      ejectedCount++
      records[index] = {
        phase: 'ejected',
        since: now,
        failures: 0,
        connectFailures: 0,
        ejections: record.ejections + 1,
      }
      return change(index, 'ejected')
    },
    tick(now) {
      const changes: OutlierChange[] = []
      for (const [index, record] of records.entries()) {
        if (record.phase === 'ejected' && now - record.since >= ejectionTimeMs(policy, record.ejections)) {
          ejectedCount--
          record.phase = 'probation'
          record.since = now
          changes.push(change(index, 'readmitted'))
        } else if (record.phase === 'probation' && now - record.since >= policy.rampMs) {
          record.phase = 'serving'
          record.ejections = 0
        }
      }
      return changes
    },
    isEjected: (index) => records[index]!.phase === 'ejected',
    fitness(index, now) {
      const record = records[index]!
      if (record.phase === 'serving') return 255
      return record.phase === 'ejected' ? 0 : rampFitness(now, record.since, policy.rampMs)
    },
    get ejectedCount() {
      return ejectedCount
    },
    stateOfSlot(slot) {
      const index = indexBySlot.get(slot)
      return index === undefined ? undefined : { ...records[index]! }
    },
  }
}

function ejectionTimeMs(policy: OutlierPolicy, ejections: number): number {
  let timeMs = policy.ejectionMs
  for (let i = 1; i < ejections && timeMs < policy.ejectionMsMax; i++) timeMs *= 2
  return Math.min(timeMs, policy.ejectionMsMax)
}
