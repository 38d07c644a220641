/** Windows of days: the rolling store has them from coarser steps, a Prometheus is asked for each past day by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNoPrometheus } from '@cellplane/testing'
import type { Window } from '../fleet-metrics.ts'
import { prometheusBackend, rollingBackend } from './fixtures/backends.ts'
import { DAYS_OF_TRAFFIC, TO } from './fixtures/days-of-traffic.ts'

const DAY = 86_400
const TOLERANCE = 0.01

const WINDOWS: Record<string, Window> = {
  'a day': { until: TO, seconds: DAY },
  'three days and a half, from midnight': { until: TO, seconds: 3.5 * DAY },
  'three days, from noon to noon': { until: TO, seconds: 3 * DAY },
  'three days that ended in the night': { until: TO - DAY * 500, seconds: 3 * DAY },
  'a month, of which most was before': { until: TO, seconds: 30 * DAY },
}

function happened({ until, seconds }: Window): { total: number; good: number } {
  let [total, good] = [0, 0]
  for (const { at, sample } of DAYS_OF_TRAFFIC) {
    if (at <= until - seconds * 1_000 || at > until) continue
    total += sample.requests
    good += sample.good
  }
  return { total, good }
}

const BACKENDS = {
  'the rolling store': { start: rollingBackend, whyNot: undefined },
  Prometheus: { start: prometheusBackend, whyNot: whyNoPrometheus() },
}

for (const [name, { start, whyNot }] of Object.entries(BACKENDS)) {
  test(`${name} counts windows of days, and the same when it is asked again`, {
    skip: whyNot ?? false,
  }, async (t) => {
    const { metrics, stop } = await start(DAYS_OF_TRAFFIC)
    t.after(stop)
    for (const [what, window] of Object.entries(WINDOWS)) {
      const expected = happened(window)
      for (const found of [await metrics.counts(window), await metrics.counts(window)]) {
        const { total, good } = found.get('cell-001')!
        const bad = total - good
        const expectedBad = expected.total - expected.good
        assert.ok(
          Math.abs(total - expected.total) <= TOLERANCE * expected.total,
          `${what}: ${total} requests`,
        )
        assert.ok(
          Math.abs(bad - expectedBad) <= TOLERANCE * expectedBad + 1,
          `${what}: found ${bad} bad ones; expected ${expectedBad}`,
        )
      }
    }
  })
}
