import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ADAPTIVE_LIMIT_MIN, createAdaptiveLimit } from './adaptive-limit.ts'
import { poisson, runTrial, seeded, steadily, TRIAL_START, type Trial } from './testing-cell.ts'

const WORKERS = 8
const SERVICE_MS = 50
const CAPACITY = (WORKERS * 1000) / SERVICE_MS
const HOUR = 3_600
const MAX = 256

type Sample = { second: number; limit: number; ceiling: number }

/** A trial behind an adaptive limit, with what the limit was at each second that had answers. */
function underLimit(trial: Partial<Trial> & Pick<Trial, 'seconds' | 'gapMs'>) {
  const limit = createAdaptiveLimit()
  limit.bound(MAX)
  const samples: Sample[] = []
  let next = TRIAL_START
  const { offered, latencies } = runTrial({
    workers: WORKERS,
    serviceMs: () => SERVICE_MS,
    ceiling: () => limit.ceiling,
    random: seeded(1),
    ...trial,
    onAnswer(now, startedAt, inFlight) {
      limit.answered(now, startedAt, inFlight)
      if (now < next) return
      samples.push({
        second: Math.floor((now - TRIAL_START) / 1000),
        limit: limit.limit,
        ceiling: limit.ceiling,
      })
      next = now + 1000
    },
  })
  const between = (from: number, to: number) =>
    samples.filter(({ second }) => second >= from && second < to).map((sample) => sample.limit)
  return { offered, latencies, samples, between }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

function assertSteady(samples: readonly number[], tolerance: number, settled: number): void {
  for (const limit of samples) {
    assert.ok(
      Math.abs(limit - settled) <= tolerance * settled,
      `the limit is ${limit}; expected ${settled} ± ${tolerance * 100} %`,
    )
  }
}

/** Means over half hours: what drift would move, and noise does not. */
function halfHours(samples: readonly number[]): number[] {
  return Array.from({ length: Math.floor(samples.length / 1_800) }, (_, i) =>
    mean(samples.slice(i * 1_800, (i + 1) * 1_800)),
  )
}

describe('an adaptive limit', () => {
  for (const load of [0.3, 0.95]) {
    test(`does not drift in six hours of constant load within capacity: ${load}`, () => {
      const { between } = underLimit({ seconds: 6 * HOUR, gapMs: steadily(load * CAPACITY) })
      assertSteady(between(60, 6 * HOUR), 0.2, between(60, 61)[0]!)
    })
  }

  test('does not drift in six hours of constant load at three times the capacity', () => {
    const { between, samples, latencies } = underLimit({ seconds: 6 * HOUR, gapMs: steadily(3 * CAPACITY) })
    const steady = between(60, 6 * HOUR)
    assertSteady(steady, 0.2, mean(between(60, HOUR)))
    assert.ok(mean(steady) > WORKERS && mean(steady) < 3 * WORKERS, `it is ${mean(steady)}`)
    const goodput = latencies.length / (6 * HOUR) / CAPACITY
    assert.ok(goodput > 0.98, `goodput is ${goodput} of the capacity`)
    const probed = samples.filter(({ limit, ceiling }) => ceiling < limit / 2).length / samples.length
    assert.ok(probed > 0 && probed < 0.06, `${probed} of the seconds were in probes`)
  })

  test('does not drift when arrivals and service times vary, nor when they are of two kinds', () => {
    const kinds = {
      varied: poisson(1000 / SERVICE_MS),
      'one in ten is slow': (_now: number, draw: number) => (draw < 0.9 ? 10 : 410),
    }
    for (const [name, serviceMs] of Object.entries(kinds)) {
      const { between, latencies } = underLimit({
        seconds: 4 * HOUR,
        serviceMs,
        gapMs: poisson(3 * CAPACITY),
      })
      const means = halfHours(between(60, 4 * HOUR))
      assertSteady(means, 0.2, mean(means))
      const goodput = latencies.length / (4 * HOUR) / CAPACITY
      assert.ok(goodput > 0.95, `${name}: goodput is ${goodput} of the capacity`)
    }
  })

  test('is never lowered by varied latencies alone', () => {
    const { between, offered, latencies } = underLimit({
      seconds: HOUR,
      serviceMs: poisson(1000 / SERVICE_MS),
      gapMs: poisson(0.8 * CAPACITY),
    })
    assert.equal(Math.min(...between(0, HOUR)), MAX)
    assert.ok(offered - latencies.length < 100, 'nothing is shed')
  })

  test('shrinks within seconds when requests queue, and lets more through again afterwards', () => {
    const overload = (now: number) => (now - TRIAL_START) / 1000 >= 60 && (now - TRIAL_START) / 1000 < 120
    const { between } = underLimit({
      seconds: 300,
      // Another user of the cell takes three of four workers' time.
      serviceMs: (now) => (overload(now) ? 4 * SERVICE_MS : SERVICE_MS),
      gapMs: steadily(0.9 * CAPACITY),
    })
    assert.equal(Math.min(...between(0, 60)), MAX)
    assert.ok(Math.max(...between(75, 120)) < MAX / 3, `it is ${Math.max(...between(75, 120))}`)
    assert.ok(Math.min(...between(180, 300)) >= WORKERS, `it is ${Math.min(...between(180, 300))}`)
  })

  test('takes a cell that has become slower for good as it is', () => {
    const slow = 3 * SERVICE_MS
    const { between, latencies } = underLimit({
      seconds: 600,
      serviceMs: (now) => (now - TRIAL_START < 300_000 ? SERVICE_MS : slow),
      gapMs: steadily(3 * CAPACITY),
    })
    assertSteady(between(420, 600), 0.3, mean(between(240, 300)))
    const carried = 300 * CAPACITY + 300 * ((WORKERS * 1000) / slow)
    assert.ok(
      latencies.length > 0.9 * carried,
      `${latencies.length} answers; the cell could have given ${carried}`,
    )
  })

  test('goes where its bound goes while nothing lowered it, and stays below it after', () => {
    const limit = createAdaptiveLimit()
    limit.bound(100)
    assert.equal(limit.ceiling, 100)
    limit.bound(300)
    assert.equal(limit.ceiling, 300)
    limit.bound(20)
    assert.equal(limit.ceiling, 20)
  })

  /** A limit in a probe, which began at the time that is returned: windows at the bound that each tell 100 ms. */
  function inProbe() {
    const limit = createAdaptiveLimit()
    limit.bound(MAX)
    let now = TRIAL_START
    while (limit.ceiling === MAX && now < TRIAL_START + 5_000) {
      now += 25
      limit.answered(now, now - 100, MAX)
    }
    assert.equal(limit.ceiling, ADAPTIVE_LIMIT_MIN)
    return { limit, probedAt: now }
  }

  test('ends a probe in which nothing is answered by the clock, having learned nothing', () => {
    const { limit, probedAt } = inProbe()
    limit.tick(probedAt + 1_000)
    assert.equal(limit.ceiling, ADAPTIVE_LIMIT_MIN)
    limit.tick(probedAt + 10_000)
    assert.ok(limit.ceiling > ADAPTIVE_LIMIT_MIN, `it is ${limit.ceiling}`)
    assert.equal(limit.ceiling, Math.floor(limit.limit))
  })

  test('has no more room in a probe when its bound changes, and less when that is lower', () => {
    const { limit } = inProbe()
    for (const max of [MAX / 2, 2 * MAX, MAX]) {
      limit.bound(max)
      assert.equal(limit.ceiling, ADAPTIVE_LIMIT_MIN)
    }
    limit.bound(2)
    assert.equal(limit.ceiling, 2)
  })

  test('stays within its bounds, whatever it is told', () => {
    const answer = fc.record({
      gapMs: fc.integer({ min: -10_000, max: 100_000 }),
      latencyMs: fc.integer({ min: -1_000, max: 100_000 }),
      inFlight: fc.integer({ min: 0, max: 1_000 }),
    })
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 400 }), (answers) => {
        const limit = createAdaptiveLimit()
        limit.bound(MAX)
        let now = TRIAL_START
        for (const { gapMs, latencyMs, inFlight } of answers) {
          now += gapMs
          limit.answered(now, now - latencyMs, inFlight)
          assert.ok(limit.limit >= ADAPTIVE_LIMIT_MIN && limit.limit <= MAX, `the limit is ${limit.limit}`)
          assert.ok(limit.ceiling >= 1 && limit.ceiling <= MAX, `the ceiling is ${limit.ceiling}`)
        }
      }),
    )
  })
})
