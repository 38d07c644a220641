/**
 * Failures in a row, with whose they were. One caller's count for half of a run at most, rounded up: what it sends fails
 * wherever it goes, and that says nothing of the cell. So a run is only full when several callers have failed, and two of
 * the failures in a run of five are others'.
 */

export type FailureRun = {
  /** The callers of the failures that count; only the first `length` are of this run. */
  readonly callers: Int32Array
  length: number
}

export function createFailureRun(max: number): FailureRun {
  return { callers: new Int32Array(max), length: 0 }
}

/** Adds a failure of `caller` to the run, if it counts. Returns whether `max` failures count now; `max` is at most what the run was made for. */
export function extendRun(run: FailureRun, caller: number, max: number): boolean {
  const { callers } = run
  if (run.length >= max) return true
  let own = 0
  for (let i = 0; i < run.length; i++) if (callers[i] === caller) own++
  if (own >= Math.ceil(max / 2)) return false
  callers[run.length++] = caller
  return run.length >= max
}
