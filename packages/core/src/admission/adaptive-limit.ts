/**
 * How much may be under way at a cell, found out from its answers: the limit for a cell whose declared ceiling is
 * missing, wrong, or right on better days.
 *
 * A cell that is given more than it can work on queues it, and its latency grows by the queue. So once in a window the
 * mean latency is compared with what it is without a queue, the baseline:
 *
 *     gradient = min(1, TOLERANCE × baseline / mean)          (Netflix concurrency-limits, Gradient2Limit)
 *     limit    = limit × gradient + √limit                    √limit: room to find out that there is more
 *
 * A saturated cell settles near TOLERANCE × what it works on at once: a short queue, so that it never idles. The limit
 * only moves while it is used by half or more (a quiet hour proves nothing), and never falls below throughput × baseline,
 * which by Little's law is what the cell has just shown to carry.
 *
 * **Why it does not drift.** Gradient2 follows the baseline with a long average, and Vegas with a minimum that expires.
 * Under lasting overload both come to take the queue for the cell's own latency, and the limit climbs. Here the
 * baseline learns only from windows that are near it while there is room, and is otherwise measured as BBR measures its
 * round-trip time (draft-ietf-ccwg-bbr, section 5.3.4, ProbeRTT): when no window confirmed it for a period and the limit
 * turns requests away, what may be under way is cut to half of what the cell carries, and the requests that begin then tell.
 * That also finds a cell that has become slower for good. Probes begin at multiples of the period, so that all routers of
 * a fleet make room together.
 *
 * **What counts** is what waits for the beginning of its answer, as the latencies are of that. A stream that has begun
 * may stay for days: counted, enough of them would fill the limit, and nothing would be answered that could raise it.
 */

import { LOW_SHARE } from './priority.ts'

/** Latency may be this many times the baseline before the limit falls: 1 would leave the cell idle between requests. */
const TOLERANCE = 2
/** A window within this factor of the baseline has no queue worth the name, and the baseline learns from it. */
const NEAR = 1.2
/** The baseline's step to such a window: a mean over the last eight, so that one lucky window does not lower it for good. */
const LEARNING = 1 / 8
/** The limit moves when so much of it was in use. */
const USED_SHARE = 0.5
/** No window cuts the limit by more: one slow moment is not a trend. */
const GRADIENT_MIN = 0.5
/** A window is at least so long, and longer until it has the samples: fewer have a mean that says little. */
const WINDOW_MS = 500
const WINDOW_SAMPLES_MIN = 20
/** A baseline that no window confirmed for so long is measured anew. A probe costs half of about a second. */
const PROBE_PERIOD_MS = 30_000
/** What may be under way in a probe, of what the cell carries; as BBR has it. So a baseline up to twice too high is found. */
const PROBE_SHARE = 0.5
/**
 * Answers count after the cell had this time, or twice its mean latency, to work off its queue. Sooner, only the quickest
 * of the requests that began in the probe would have been answered, and the baseline would be theirs.
 */
const PROBE_SETTLE_MS_MIN = 500
/** A probe ends after so much more, answers or none; it has then learned if its samples are enough to be better than none. */
const PROBE_MS_MAX = 2_000
const PROBE_SAMPLES_MIN = 10
/** Never less, whatever latencies say: with less there is too little to learn from. */
export const ADAPTIVE_LIMIT_MIN = 4

export type AdaptiveLimit = {
  /** Requests that may wait for their answers now: the limit, or less in a probe. A whole number. */
  readonly ceiling: number
  /** What the ceiling is outside of probes. */
  readonly limit: number
  /** Sets what the limit never exceeds. It begins there, and falls on evidence only. */
  bound(max: number): void
  /**
   * A request that began at `startedAt` was answered at `now`, ms since the epoch; `waiting` requests waited for their
   * answers, with it. To be called for answers that took the cell work: fast failures would pass for a fast cell.
   */
  answered(now: number, startedAt: number, waiting: number): void
  /** Lets time pass, on the clock of `answered`: a probe in which nothing is answered ends too. */
  tick(now: number): void
  /**
   * Another ceiling of the cell turned a request away: it is loaded, so a grown latency is a queue's, however little of
   * the limit is in use. (A rate ceiling at the cell's capacity lets a burst in, and that stays as a queue.)
   */
  pressed(): void
}

export function createAdaptiveLimit(): AdaptiveLimit {
  let max = Number.POSITIVE_INFINITY
  let limit = Number.POSITIVE_INFINITY
  let ceiling = Number.POSITIVE_INFINITY

  /** Mean latency without a queue, ms; 0 until the first window. */
  let baseline = 0
  let confirmedAt = 0
  let period = 0
  /** Answers a ms in the last window. */
  let throughput = 0
  /** 0 when there is no probe. In one, only requests that began later count, and only from `settledAt`. */
  let probingSince = 0
  let settledAt = 0

  let windowStart = 0
  let samples = 0
  let latencySum = 0
  let peak = 0
  let isPressed = false

  function beginWindow(now: number): void {
    windowStart = now
    samples = 0
    latencySum = 0
    peak = 0
    isPressed = false
  }

  function settle(value: number): void {
    limit = Math.min(max, Math.max(ADAPTIVE_LIMIT_MIN, value))
    // A probe's room stays what it is: with more, the queue would be back, and be measured as the cell without one.
    ceiling = probingSince > 0 ? Math.min(ceiling, Math.floor(limit)) : Math.floor(limit)
  }

  function learn(latency: number, now: number): void {
    baseline = latency
    confirmedAt = now
  }

  function endWindow(now: number): void {
    const mean = latencySum / samples
    const newPeriod = Math.floor(now / PROBE_PERIOD_MS)
    const used = peak / limit
    const isFull = used >= LOW_SHARE
    if (baseline === 0) {
      baseline = mean
      period = newPeriod
    } else if (mean <= baseline * NEAR) {
      // A full window is no witness for "no queue": at the bound, a baseline that is a queue's would confirm itself.
      if (!isFull) confirmedAt = now
      if (!isFull || mean < baseline) baseline += (mean - baseline) * LEARNING
    }
    throughput = samples / (now - windowStart)
    const carried = throughput * baseline
    const isUsed = used >= USED_SHARE
    if (isUsed || isPressed) {
      const gradient = Math.max(GRADIENT_MIN, Math.min(1, (TOLERANCE * baseline) / mean))
      settle(Math.max(limit * gradient, carried) + (isUsed ? Math.sqrt(limit) : 0))
    }
    // Overloaded since it is known: what it carries cannot be told from a baseline that was never seen twice.
    if (isFull && confirmedAt === 0) return beginProbe(now, mean, ADAPTIVE_LIMIT_MIN)
    if (newPeriod === period) return
    period = newPeriod
    if (now - confirmedAt < PROBE_PERIOD_MS) return
    // Nothing is turned away, so the latency is none of this limit's making: it is the cell's at this load.
    if (isFull) beginProbe(now, mean, carried * PROBE_SHARE)
    else learn(mean, now)
  }

  function beginProbe(now: number, mean: number, room: number): void {
    probingSince = now
    settledAt = now + Math.max(PROBE_SETTLE_MS_MIN, 2 * mean)
    ceiling = Math.max(1, Math.min(ceiling, Math.ceil(room)))
  }

  function endProbe(now: number): void {
    if (samples >= PROBE_SAMPLES_MIN) learn(latencySum / samples, now)
    probingSince = 0
    // What the cell carried before the probe, by what is known now: the queue that the probe let run dry is not refilled.
    settle(Math.min(limit, TOLERANCE * throughput * baseline + Math.sqrt(limit)))
    beginWindow(now)
  }

  return {
    get ceiling() {
      return ceiling
    },
    get limit() {
      return limit
    },
    pressed() {
      isPressed = true
    },
    bound(value) {
      // A limit that was never lowered goes where its bound goes.
      const next = limit >= max ? value : Math.min(limit, value)
      max = value
      settle(next)
    },
    tick(now) {
      if (probingSince > 0 && now - settledAt >= PROBE_MS_MAX) endProbe(now)
    },
    answered(now, startedAt, waiting) {
      const isProbing = probingSince > 0
      if (isProbing && (startedAt < probingSince || now < settledAt)) return
      if (samples === 0 && (isProbing || windowStart === 0)) windowStart = now
      samples++
      latencySum += now - startedAt
      if (waiting > peak) peak = waiting
      const isEnough = samples >= WINDOW_SAMPLES_MIN && now - windowStart >= WINDOW_MS
      if (isProbing) {
        if (!isEnough && now - settledAt < PROBE_MS_MAX) return
        endProbe(now)
      } else {
        if (!isEnough) return
        endWindow(now)
        beginWindow(now)
      }
    },
  }
}
