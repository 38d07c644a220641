/**
 * A cell in virtual time, for tests and benches of admission: so many workers, a first-in-first-out queue before them
 * without a bound, open-loop arrivals (nobody slows down because the cell does), and in front of it what is under test.
 */

export type Trial = {
  workers: number
  /** Of one request, by a draw from 0 to 1. */
  serviceMs(now: number, draw: number): number
  /** Time until the next request, by a draw from 0 to 1. */
  gapMs(now: number, draw: number): number
  seconds: number
  /** Requests that may be under way at `now`. */
  ceiling(now: number): number
  /** Told of each answer, as a router would be. */
  onAnswer?(now: number, startedAt: number, inFlight: number): void
  /** Those beyond the ceiling wait here, so many for so long. */
  queue?: { max: number; waitMsMax: number }
  random(): number
}

export type Outcome = {
  offered: number
  /** Latencies of what was answered, ms from arrival, in the order of the answers. */
  latencies: number[]
}

/** Constant gaps. */
export const steadily = (perSecond: number) => () => 1000 / perSecond

/** Exponential gaps or service times: what independent callers make. */
export const poisson = (perSecond: number) => (_now: number, draw: number) =>
  (-Math.log(1 - draw) * 1000) / perSecond

type UnderWay = { doneAt: number; startedAt: number; arrivedAt: number }

/** Begins some time after 0, like a clock. */
export const TRIAL_START = 1_000_000

export function runTrial(trial: Trial): Outcome {
  const freeAt = new Float64Array(trial.workers)
  /** Last done first, so that the next one is popped. */
  const underWay: UnderWay[] = []
  const waiting: number[] = []
  const latencies: number[] = []
  const end = TRIAL_START + trial.seconds * 1000
  let offered = 0

  function begin(now: number, arrivedAt: number): void {
    let worker = 0
    for (let i = 1; i < freeAt.length; i++) if (freeAt[i]! < freeAt[worker]!) worker = i
    const doneAt = Math.max(now, freeAt[worker]!) + trial.serviceMs(now, trial.random())
    freeAt[worker] = doneAt
    let place = underWay.length
    while (place > 0 && underWay[place - 1]!.doneAt < doneAt) place--
    underWay.splice(place, 0, { doneAt, startedAt: now, arrivedAt })
  }

  function finish({ doneAt, startedAt, arrivedAt }: UnderWay): void {
    trial.onAnswer?.(doneAt, startedAt, underWay.length + 1)
    latencies.push(doneAt - arrivedAt)
    while (waiting.length > 0 && underWay.length < trial.ceiling(doneAt)) {
      const waitedSince = waiting.shift()!
      if (doneAt - waitedSince <= trial.queue!.waitMsMax) begin(doneAt, waitedSince)
    }
  }

  for (let now = TRIAL_START; now < end; now += trial.gapMs(now, trial.random())) {
    while (underWay.length > 0 && underWay.at(-1)!.doneAt <= now) finish(underWay.pop()!)
    offered++
    while (waiting.length > 0 && now - waiting[0]! > trial.queue!.waitMsMax) waiting.shift()
    if (underWay.length < trial.ceiling(now)) begin(now, now)
    else if (trial.queue && waiting.length < trial.queue.max) waiting.push(now)
  }
  return { offered, latencies }
}

/** A generator of numbers from 0 to 1 (mulberry32), so that a trial can be run again. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
}
