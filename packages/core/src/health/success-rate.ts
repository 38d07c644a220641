/**
 * Success rates over the last seconds, and which cell's is so far below the others' that it is the cell.
 *
 * Failures in a row find a cell that is down. One that fails every third request hardly ever fails five times in a row,
 * but over a few seconds it stands out among its peers. After Envoy's success-rate ejection: a cell is an outlier when its
 * rate is below the mean of the others' minus 1.9 of their standard deviations. Envoy asks for 5 hosts with 100 requests
 * each in 10 s before it compares; fleets may have two cells, and 10 s are long for a tenant. So there are two more
 * conditions instead: the rate is below a floor, and further below the mean than chance takes it with so few requests.
 * When something fails that all cells depend on, their rates sink together and none is an outlier.
 *
 * Errors that follow a tenant are the tenant's. Of a cell's errors, one caller's count no more than all others' together;
 * the rest of them are left out, as if they had not been sent. Callers are told apart by the low bits of their number, so
 * memory is bounded; two who share them count as one, which only makes the cell harder to eject. Connections that fail
 * are the cell's, whoever asked for them.
 */

/** The window is of slices, of which the oldest goes when a new one begins: 3 to 4 s. */
export const SLICE_MS = 1_000
const SLICES = 4

/** Callers that are told apart. A power of two. */
const CALLERS = 32

/**
 * The least variance that an outcome is taken to have: that of a rate of 0.9. Where nearly all succeeds, a handful of
 * failures by chance is many times the deviation that so good a rate has.
 */
const VARIANCE_MIN = 0.9 * (1 - 0.9)

export type SuccessRatePolicy = {
  /** Requests in the window for a cell to be compared at all. */
  volumeMin: number
  /** A cell at or above it is no outlier, however good the others are. */
  ratioMin: number
  /** How many standard deviations of the peers' rates below their mean. */
  peerDeviations: number
  /** How many standard deviations of what chance does to counts as small as these. */
  chanceDeviations: number
}

/** One cell's outcomes of the last seconds. */
export type OutcomeWindow = {
  readonly oks: Uint32Array
  readonly connectFailures: Uint32Array
  /** By slice and caller. */
  readonly errors: Uint32Array
  /** The one that is counted into. */
  slice: number
}

export type SuccessRate = {
  /** Outcomes that count. */
  volume: number
  /** 0–1; 1 when nothing counts. */
  ratio: number
}

export function createOutcomeWindow(): OutcomeWindow {
  return {
    oks: new Uint32Array(SLICES),
    connectFailures: new Uint32Array(SLICES),
    errors: new Uint32Array(SLICES * CALLERS),
    slice: 0,
  }
}

export function countOk(window: OutcomeWindow): void {
  window.oks[window.slice]!++
}

export function countError(window: OutcomeWindow, caller: number): void {
  window.errors[window.slice * CALLERS + (caller & (CALLERS - 1))]!++
}

export function countConnectFailure(window: OutcomeWindow): void {
  window.connectFailures[window.slice]!++
}

/** Begins so many new slices. */
export function turnWindow(window: OutcomeWindow, slices: number): void {
  for (let i = 0; i < Math.min(slices, SLICES); i++) {
    window.slice = (window.slice + 1) % SLICES
    window.oks[window.slice] = 0
    window.connectFailures[window.slice] = 0
    window.errors.fill(0, window.slice * CALLERS, (window.slice + 1) * CALLERS)
  }
}

export function readWindow({ oks, connectFailures, errors }: OutcomeWindow): SuccessRate {
  let succeeded = 0
  let failed = 0
  for (let slice = 0; slice < SLICES; slice++) {
    succeeded += oks[slice]!
    failed += connectFailures[slice]!
  }
  let all = 0
  let most = 0
  for (let caller = 0; caller < CALLERS; caller++) {
    let own = 0
    for (let slice = 0; slice < SLICES; slice++) own += errors[slice * CALLERS + caller]!
    all += own
    if (own > most) most = own
  }
  failed += Math.min(all, 2 * (all - most))
  const volume = succeeded + failed
  return { volume, ratio: volume === 0 ? 1 : succeeded / volume }
}

/** Indexes of the cells whose rate is an outlier among `rates`, the worst first. */
export function successRateOutliers(rates: readonly SuccessRate[], policy: SuccessRatePolicy): number[] {
  const { volumeMin, ratioMin, peerDeviations, chanceDeviations } = policy
  const compared = [...rates.keys()].filter((index) => rates[index]!.volume >= volumeMin)
  const suspects = compared.filter((index) => rates[index]!.ratio < ratioMin)
  const peers = compared.length - 1
  if (suspects.length === 0 || peers < 1) return []
  let [ratios, squares, volumes, oks, inverses] = [0, 0, 0, 0, 0]
  for (const index of compared) {
    const { volume, ratio } = rates[index]!
    ratios += ratio
    squares += ratio * ratio
    volumes += volume
    oks += ratio * volume
    inverses += 1 / volume
  }
  const variance = Math.max(VARIANCE_MIN, (oks / volumes) * (1 - oks / volumes))
  const isOutlier = (index: number): boolean => {
    const { volume, ratio } = rates[index]!
    const mean = (ratios - ratio) / peers
    const peerDeviation = Math.sqrt(Math.max(0, (squares - ratio * ratio) / peers - mean * mean))
    const chanceDeviation = Math.sqrt(variance * (1 / volume + (inverses - 1 / volume) / peers ** 2))
    return ratio < mean - Math.max(peerDeviations * peerDeviation, chanceDeviations * chanceDeviation)
  }
  return suspects.filter(isOutlier).sort((a, b) => rates[a]!.ratio - rates[b]!.ratio)
}
