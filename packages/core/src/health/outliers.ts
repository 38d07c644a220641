/**
 * Outlier detection: what a router sees itself of each cell, without asking anybody. It finds the cell whose own
 * health check lies, and works while the control plane is gone.
 *
 *     serving ──(fails too often)──▶ ejected ──(time is up)──▶ on probation ──(ramp is over)──▶ serving
 *                                       ▲                            │
 *                                       └──(two failures in a row)───┘
 *
 * - **serving**: ejected by enough failures in a row (`failure-run.ts`), which finds a dead cell at once; or by a success
 *   rate far below its peers' (`success-rate.ts`), which finds a cell that fails in part within seconds. A connection that
 *   fails says more than an answer of 5xx: fewer are enough.
 * - **ejected**: out of the choice for a time that doubles with each ejection in a row, up to a limit. Answers that come
 *   in meanwhile are old and are not counted.
 * - **on probation**: back in the choice, with a share that ramps up. Few failures eject it again. When the ramp is over
 *   it serves as before, and the count of ejections begins anew.
 *
 * One caller alone never ejects a cell by its errors, as errors that follow a tenant are the tenant's; connections that
 * fail are always the cell's.
 *
 * At most a share of the cells is ejected at once, though always one: when most look bad, it is the observer or
 * something that they all depend on, and taking the rest out would only move the load onto the last ones. What the
 * control plane has taken out counts towards the share: a cell that is overloaded because others are gone has to stay.
 */
import { createFailureRun, extendRun, type FailureRun } from './failure-run.ts'
import { rampFitness } from './ramp.ts'
import {
  countConnectFailure,
  countError,
  countOk,
  createOutcomeWindow,
  type OutcomeWindow,
  readWindow,
  SLICE_MS,
  type SuccessRatePolicy,
  successRateOutliers,
  turnWindow,
} from './success-rate.ts'

export type OutlierPolicy = {
  /** 5xx answers and broken connections in a row. */
  failuresMax: number
  /** The same on probation. At most `failuresMax`. */
  probationFailuresMax: number
  /** Failed connection attempts in a row; on probation one is enough. */
  connectFailuresMax: number
  successRate: SuccessRatePolicy
  ejectionMs: number
  ejectionMsMax: number
  ejectedShareMax: number
  rampMs: number
}

/**
 * Five failures in a row and 1.9 deviations are Envoy's defaults. Its times are longer (30 s, up to 300), since a shard has
 * another cell and an ejection costs little; its share smaller (10 %), as a shard here has two cells and not a hundred.
 * Two on probation, so that they are two callers'. A floor of 0.8: a fifth of the requests lost is worse than the
 * ejection of a cell that works in part. Where the others have a rate of 1, five deviations of chance are 0.4 between two
 * cells with 30 requests each, and 0.7 among many; with 200 requests, 50 a second, the floor decides.
 */
export const OUTLIER_POLICY: OutlierPolicy = {
  failuresMax: 5,
  probationFailuresMax: 2,
  connectFailuresMax: 2,
  successRate: { volumeMin: 30, ratioMin: 0.8, peerDeviations: 1.9, chanceDeviations: 5 },
  ejectionMs: 1_000,
  ejectionMsMax: 30_000,
  ejectedShareMax: 0.5,
  rampMs: 10_000,
}

export type Outcome = 'ok' | 'error' | 'connect-failure'
export type EjectionReason = 'failures-in-a-row' | 'connect-failures' | 'success-rate'
export type OutlierChange = { index: number; slot: number } & (
  | { change: 'ejected'; why: EjectionReason }
  | { change: 'readmitted' }
)

export type OutlierDetector = {
  /**
   * Takes the outcome of one attempt; returns the ejection that it caused, if any. `now` in ms since the epoch.
   * @param caller an integer that stays the same for one tenant; tenants should seldom share one
   */
  record(index: number, outcome: Outcome, caller: number, now: number): OutlierChange | null
  /** Readmits cells whose time is up, and compares success rates. To be called a few times a second. */
  tick(now: number): OutlierChange[]
  /** By cell index, 1 for each that somebody else has taken out. */
  setMarked(marked: Uint8Array): void
  isEjected(index: number): boolean
  /** 0 while ejected, the ramp's share on probation, 255 otherwise. */
  fitness(index: number, now: number): number
  readonly ejectedCount: number
  /** What is known of a cell. The detector of the next snapshot takes it over; this one is not to be used after. */
  recordOfSlot(slot: number): CellRecord | undefined
}

type CellRecord = {
  phase: 'serving' | 'ejected' | 'probation'
  /** When the phase began. */
  since: number
  readonly run: FailureRun
  connectFailures: number
  window: OutcomeWindow
  /** Ejections in a row; the time out doubles with each. */
  ejections: number
}

/** `previous` hands over what it knows of the cells that are still there: a new topology is no amnesty. */
export function createOutlierDetector(
  policy: OutlierPolicy,
  cells: readonly { slot: number }[],
  previous?: OutlierDetector,
): OutlierDetector {
  const records = cells.map(({ slot }) => previous?.recordOfSlot(slot) ?? createRecord(policy))
  const indexBySlot = new Map(cells.map(({ slot }, index) => [slot, index]))
  const outMax = Math.max(1, Math.floor(policy.ejectedShareMax * cells.length))
  let marked: Uint8Array = new Uint8Array(cells.length)
  let ejectedCount = records.filter((record) => record.phase === 'ejected').length
  let sliceSince: number | null = null

  const slotOf = (index: number) => cells[index]!.slot

  function mayEject(): boolean {
    // In an outage this is asked with every failure: the sum is for when it matters.
    if (ejectedCount >= outMax) return false
    const out = records.reduce((sum, { phase }, index) => sum + (phase === 'ejected' ? 1 : marked[index]!), 0)
    return out < outMax
  }

  function eject(index: number, why: EjectionReason, now: number): OutlierChange | null {
    if (!mayEject()) return null
    const record = records[index]!
    ejectedCount++
    record.phase = 'ejected'
    record.since = now
    record.ejections++
    record.run.length = 0
    record.connectFailures = 0
    record.window = createOutcomeWindow()
    return { index, slot: slotOf(index), change: 'ejected', why }
  }

  function readmit(index: number, now: number): OutlierChange {
    const record = records[index]!
    ejectedCount--
    record.phase = 'probation'
    record.since = now
    return { index, slot: slotOf(index), change: 'readmitted' }
  }

  function turnWindows(now: number): void {
    sliceSince ??= now
    const slices = Math.floor((now - sliceSince) / SLICE_MS)
    if (slices < 1) return
    sliceSince += slices * SLICE_MS
    for (const { window } of records) turnWindow(window, slices)
  }

  /** Fewer cells than before may leave more of them ejected than the share allows: those that are out longest come back. */
  function readmitSurplus(now: number): OutlierChange[] {
    const surplus = ejectedCount - outMax
    if (surplus <= 0) return []
    return [...records.keys()]
      .filter((index) => records[index]!.phase === 'ejected')
      .sort((a, b) => records[a]!.since - records[b]!.since)
      .slice(0, surplus)
      .map((index) => readmit(index, now))
  }

  return {
    record(index, outcome, caller, now) {
      const record = records[index]!
      const { phase, run, window } = record
      if (phase === 'ejected') return null
      if (outcome === 'ok') {
        countOk(window)
        run.length = 0
        record.connectFailures = 0
        return null
      }
      const isOnProbation = phase === 'probation'
      if (outcome === 'connect-failure') {
        countConnectFailure(window)
        const isEnough = ++record.connectFailures >= (isOnProbation ? 1 : policy.connectFailuresMax)
        return isEnough ? eject(index, 'connect-failures', now) : null
      }
      countError(window, caller)
      const max = isOnProbation ? policy.probationFailuresMax : policy.failuresMax
      return extendRun(run, caller, max) ? eject(index, 'failures-in-a-row', now) : null
    },
    tick(now) {
      turnWindows(now)
      const changes = readmitSurplus(now)
      for (const [index, record] of records.entries()) {
        if (record.phase === 'ejected' && now - record.since >= ejectionTimeMs(policy, record.ejections)) {
          changes.push(readmit(index, now))
        } else if (record.phase === 'probation' && now - record.since >= policy.rampMs) {
          record.phase = 'serving'
          record.ejections = 0
        }
      }
      const rates = records.map(({ window }) => readWindow(window))
      for (const index of successRateOutliers(rates, policy.successRate)) {
        const ejection = eject(index, 'success-rate', now)
        if (ejection) changes.push(ejection)
      }
      return changes
    },
    setMarked(next) {
      marked = next
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
    recordOfSlot(slot) {
      const index = indexBySlot.get(slot)
      return index === undefined ? undefined : records[index]
    },
  }
}

function createRecord({ failuresMax }: OutlierPolicy): CellRecord {
  return {
    phase: 'serving',
    since: 0,
    run: createFailureRun(failuresMax),
    connectFailures: 0,
    window: createOutcomeWindow(),
    ejections: 0,
  }
}

function ejectionTimeMs(policy: OutlierPolicy, ejections: number): number {
  let timeMs = policy.ejectionMs
  for (let i = 1; i < ejections && timeMs < policy.ejectionMsMax; i++) timeMs *= 2
  return Math.min(timeMs, policy.ejectionMsMax)
}
