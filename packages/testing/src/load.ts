/**
 * An open-loop load: requests are sent when they are due, whether or not earlier ones were answered, as customers do.
 * A closed loop would slow down with the service and hide what an outage costs (coordinated omission).
 *
 * Bounded in rate, time and requests under way; a request that cannot be sent within the bound is counted as such.
 */

export type Attempt = {
  tenant: string
  operation: string
  startedAtMs: number
  durationMs: number
  outcome: string
}

export type LoadPlan = {
  requestsPerSecond: number
  durationMs: number
  /** Relative weight of each tenant. */
  tenants: readonly { id: string; weight: number }[]
  /** Sends one request and says how it went, in a word: `ok`, or why not. Must not throw. */
  send(tenant: string, draw: number): Promise<{ operation: string; outcome: string }>
  seed: number
  signal?: AbortSignal
}

/** At 200 requests/s this is 10 s of a service that answers nothing. */
const UNDER_WAY_MAX = 2000

/** Zipf-like weights: the n-th tenant has 1/n^s. With s = 1, the first of 200 tenants sends 17 % of all. */
export function zipfWeights(count: number, exponent = 1): number[] {
  return Array.from({ length: count }, (_, i) => 1 / (i + 1) ** exponent)
}

/** Sends the load and returns every attempt, in the order of their starts. */
export async function runLoad(plan: LoadPlan): Promise<Attempt[]> {
  const attempts: Attempt[] = []
  const random = seededRandom(plan.seed)
  const pick = weightedPicker(plan.tenants)
  const total = Math.floor((plan.requestsPerSecond * plan.durationMs) / 1000)
  const underWay = new Set<Promise<void>>()
  const start = performance.now()
  for (let sent = 0; sent < total && !plan.signal?.aborted; ) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * plan.requestsPerSecond) / 1000) + 1)
    for (; sent < due; sent++) {
      const tenant = pick(random())
      const draw = random()
      if (underWay.size >= UNDER_WAY_MAX) {
        attempts.push({
          tenant,
          operation: 'none',
          startedAtMs: Date.now(),
          durationMs: 0,
          outcome: 'not sent: too many under way',
        })
        continue
      }
      const attempt: Attempt = {
        tenant,
        operation: '',
        startedAtMs: Date.now(),
        durationMs: 0,
        outcome: 'unanswered',
      }
      attempts.push(attempt)
      const sentAt = performance.now()
      const done: Promise<void> = plan.send(tenant, draw).then((result) => {
        Object.assign(attempt, result, { durationMs: performance.now() - sentAt })
        underWay.delete(done)
      })
      underWay.add(done)
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(underWay)
  return attempts
}

/** Counts by operation and outcome: `{ post: { ok: 10, 'CELL_UNAVAILABLE': 2 } }`. */
export function tally(attempts: readonly Attempt[]): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {}
  for (const { operation, outcome } of attempts) {
    counts[operation] ??= {}
    const row = counts[operation]
    row[outcome] = (row[outcome] ?? 0) + 1
  }
  return counts
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN
}

/** mulberry32: small, and good enough to choose who sends next. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function weightedPicker(tenants: LoadPlan['tenants']): (draw: number) => string {
  let sum = 0
  const upTo = tenants.map(({ weight }) => {
    sum += weight
    return sum
  })
  return (draw) => {
    const target = draw * sum
    let low = 0
    let high = upTo.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (upTo[middle]! < target) low = middle + 1
      else high = middle
    }
    return tenants[low]!.id
  }
}
