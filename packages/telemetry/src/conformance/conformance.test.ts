import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SATURATION_SHARES } from '@cellplane/contract'
import { whyNoPrometheus } from '@cellplane/testing'
import { type FleetMetrics, quantileOf, type Window } from '../fleet-metrics.ts'
import { LATENCY_BOUNDS_S } from '../rolling/columns.ts'
import { type Backend, prometheusBackend, rollingBackend } from './fixtures/backends.ts'
import { CELLS, START, TRAFFIC, UNTIL } from './fixtures/traffic.ts'

/** What each may differ by from what happened, so that any two agree within 2 %. */
const TOLERANCE = 0.01

const HOUR = 3_600
const WINDOWS: Record<string, Window> = {
  'the last minute': { until: UNTIL, seconds: 60 },
  'five minutes across a router’s restart': { until: START + 3 * HOUR * 1000 + 120_000, seconds: 300 },
  'the last hour': { until: UNTIL, seconds: HOUR },
  'all of it': { until: UNTIL, seconds: 6 * HOUR },
  'an hour in which a cell came': { until: START + 2.5 * HOUR * 1000, seconds: HOUR },
}

function assertNear(found: number, expected: number, what: string): void {
  const isNear = Math.abs(found - expected) <= Math.max(0.5, TOLERANCE * Math.abs(expected))
  assert.ok(isNear, `${what}: found ${found}; expected ${expected} ± ${TOLERANCE * 100} %`)
}

/** What happened, added up from the traffic itself. */
function happened({ until, seconds }: Window) {
  const cells = new Map<string, { total: number; good: number; latencies: number[]; saturation: number[] }>()
  for (const { at, cell, sample } of TRAFFIC) {
    if (at <= until - seconds * 1000 || at > until) continue
    const sum = cells.get(cell) ?? {
      ...{ total: 0, good: 0, latencies: sample.latencies.map(() => 0) },
      saturation: sample.saturation.map(() => 0),
    }
    sum.total += sample.requests
    sum.good += sample.good
    for (const [nth, count] of sample.latencies.entries()) sum.latencies[nth]! += count
    for (const [nth, count] of sample.saturation.entries()) sum.saturation[nth]! += count
    cells.set(cell, sum)
  }
  return cells
}

const sumOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)

const BACKENDS: Record<string, { start: () => Promise<Backend>; whyNot?: string | undefined }> = {
  'the rolling store': { start: rollingBackend },
  Prometheus: { start: prometheusBackend, whyNot: whyNoPrometheus() },
}

for (const [name, { start, whyNot }] of Object.entries(BACKENDS)) {
  describe(`${name} as a fleet’s metrics`, { skip: whyNot ?? false }, () => {
    let backend: Backend
    let metrics: FleetMetrics
    before(async () => {
      backend = await start()
      metrics = backend.metrics
    })
    after(() => backend?.stop())

    for (const [what, window] of Object.entries(WINDOWS)) {
      test(`counts ${what}`, async () => {
        const counts = await metrics.counts(window)
        const expected = happened(window)
        assert.deepEqual([...counts.keys()].sort(), [...expected.keys()].sort())
        for (const [cell, { total, good }] of expected) {
          assertNear(counts.get(cell)!.total, total, `${cell}, requests`)
          assertNear(counts.get(cell)!.good, good, `${cell}, good ones`)
        }
      })
    }
    test('knows how long answers took', async () => {
      const window = WINDOWS['the last hour']!
      const latencies = await metrics.latencies(window)
      for (const [cell, { total, latencies: counts }] of happened(window)) {
        const found = latencies.get(cell)!
        let upTo = 0
        const cumulative = counts.map((count) => (upTo += count))
        for (const quantile of [0.5, 0.9, 0.99]) {
          const exact = quantileOf({ counts: cumulative, sumSeconds: 0 }, LATENCY_BOUNDS_S, quantile)
          assertNear(
            1000 * quantileOf(found, LATENCY_BOUNDS_S, quantile),
            1000 * exact,
            `${cell}, ${quantile}`,
          )
        }
        assertNear(found.sumSeconds, total * 0.02, `${cell}, seconds`)
      }
    })
    for (const [what, window] of Object.entries(WINDOWS)) {
      test(`knows how full requests found cells, ${what}`, async () => {
        const expected = happened(window)
        for (const [nth, threshold_share] of SATURATION_SHARES.entries()) {
          const counts = await metrics.counts(window, { indicator: 'saturation', threshold_share })
          assert.deepEqual([...counts.keys()].sort(), [...expected.keys()].sort())
          for (const [cell, { saturation }] of expected) {
            const { total, good } = counts.get(cell)!
            assertNear(total, sumOf(saturation), `${cell}, requests that came`)
            assertNear(good, sumOf(saturation.slice(0, nth + 1)), `${cell}, up to ${threshold_share}`)
          }
        }
      })
    }
    test('knows how full requests found cells, step by step', async () => {
      const indicator = { indicator: 'saturation', threshold_share: 1 } as const
      const rows = await metrics.countsOverTime({ until: UNTIL, seconds: 6 * HOUR }, 600, indicator)
      for (const cell of CELLS) {
        for (let nth = 0; nth < 36; nth++) {
          const { saturation = [] } =
            happened({ until: START + (nth + 1) * 600_000, seconds: 600 }).get(cell) ?? {}
          assertNear(rows.get(cell)![nth]!.total, sumOf(saturation), `${cell}, step ${nth}`)
          assertNear(rows.get(cell)![nth]!.good, sumOf(saturation.slice(0, -1)), `${cell}, step ${nth}, good`)
        }
      }
    })
    test('knows the most that was under way', async () => {
      const levels = await metrics.inFlightMax({ until: UNTIL, seconds: 2 * HOUR })
      const highest = new Map<string, number>()
      const now = new Map<string, number>()
      for (const { at, cell, router, sample } of TRAFFIC) {
        if (at <= UNTIL - 2 * HOUR * 1000) continue
        now.set(cell, (router === 'router-1' ? 0 : (now.get(cell) ?? 0)) + sample.inFlight)
        if (router === 'router-2') highest.set(cell, Math.max(highest.get(cell) ?? 0, now.get(cell)!))
      }
      for (const cell of CELLS) assertNear(levels.get(cell)!, highest.get(cell)!, cell)
    })
    test('counts step by step', async () => {
      const rows = await metrics.countsOverTime({ until: UNTIL, seconds: 6 * HOUR }, 600)
      for (const cell of CELLS) {
        for (let nth = 0; nth < 36; nth++) {
          const expected = happened({ until: START + (nth + 1) * 600_000, seconds: 600 }).get(cell)
          assertNear(rows.get(cell)![nth]!.total, expected?.total ?? 0, `${cell}, step ${nth}`)
          assertNear(rows.get(cell)![nth]!.good, expected?.good ?? 0, `${cell}, step ${nth}, good`)
        }
      }
    })
    test('knows how many answers were in time', async () => {
      const window = WINDOWS['the last hour']!
      const counts = await metrics.counts(window, { indicator: 'latency', threshold_ms: 10 })
      const inTime = LATENCY_BOUNDS_S.indexOf(0.01)
      for (const [cell, { latencies }] of happened(window)) {
        assertNear(counts.get(cell)!.total, sumOf(latencies), `${cell}, answers`)
        assertNear(counts.get(cell)!.good, sumOf(latencies.slice(0, inTime + 1)), `${cell}, in time`)
      }
    })
    test('knows whether a time was measured throughout', async () => {
      assert.equal(await metrics.isMeasured({ until: UNTIL, seconds: 300 }), true)
      assert.equal(await metrics.isMeasured({ until: UNTIL + 120_000, seconds: 300 }), false)
      assert.equal(await metrics.isMeasured({ until: START - HOUR * 1000, seconds: 60 }), false)
    })
    test('says nothing of a time without samples', async () => {
      assert.equal((await metrics.counts({ until: START - HOUR * 1000, seconds: HOUR })).size, 0)
    })
  })
}
