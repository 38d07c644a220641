/**
 * The numbers of health: windows, thresholds and times, in one place, because docs/health.md shows them in one table and a
 * test compares the two. What a fleet sets for itself (how many probes in a row, the freeze share, the ramp) is in its
 * fleet file; these are the same for all.
 */
import { OUTLIER_POLICY } from './outliers.ts'
import type { SuccessRatePolicy } from './success-rate.ts'

export const HEALTH = {
  /** What routers report is looked at over this time: long enough for a number at 4 requests a second, short enough to act within it. */
  windowMs: 5_000,
  /** Attempts in the window from which on they say anything: one failure of two is no pattern. */
  attemptsMin: 20,
  /** Below this they say nothing any more; the gap keeps a cell at the limit from coming and going. */
  attemptsToStayMin: 10,
  /** A cell that fails half of what it is sent is worse than none. */
  failedShareMin: 0.5,
  /** And is not well before this. Between the two, the signal keeps what it said. */
  failedShareWellMax: 0.25,
  /** Routers that took the cell out themselves send it nothing: more than this share of the window's reports say so. */
  ejectedShareMin: 0.5,
  /** Reports in the window for that share to count. */
  reportsMin: 3,
  /** How long a comparison with the peers must come out the same before it counts. */
  peersAfterMs: 3_000,
  /** The same rule, with the same numbers, by which a router compares. */
  peersErrors: OUTLIER_POLICY.successRate as SuccessRatePolicy,
  /** Answers in the window for latencies to be compared: a p90 of fewer is one slow request. */
  slowAnswersMin: 50,
  /** Slow is: a p90 of so many times the median of the peers' p90s, */
  slowFactor: 4,
  /** and longer than it by so much, so that 4 ms against 1 ms is nothing. */
  slowByMs: 250,
  /** A mark that rests on the monitor alone waits for so long: when many probes fail at once, all of them are known by then. */
  settleMs: 1_000,
  /** A cell that requests found gets none while it is out, so nothing shows that it is well: after this it is tried again. */
  holdMs: 30_000,
  /**
   * The hold doubles each time in a row, up to this. With what is around it (5 s until the last request has failed, 5 s of
   * window, a document) a cell that is mended serves again within 60 s, which the simulator holds it to.
   */
  holdMsMax: 45_000,
  /** In a row is: within this time from the end of the last hold. */
  holdForgottenAfterMs: 600_000,
  /** A mark that another control plane made is kept for a window: until probes and routers have said something. */
  inheritedHoldMs: 5_000,
  /** A freeze ends when for so long not too many cells looked unhealthy. */
  thawAfterMs: 5_000,
} as const
