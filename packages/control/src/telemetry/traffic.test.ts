import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouterReport } from '@cellplane/contract'
import { createRollingStore } from '@cellplane/telemetry'
import { createTraffic } from './traffic.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const SECOND = 1_000

function ground(uptimeMs = 10 * 60 * SECOND) {
  const metrics = createRollingStore()
  let now = NOW
  let uptime = uptimeMs
  const cellOf = (slot: number) => ['cell-001', 'cell-002'][slot]
  const traffic = createTraffic({ metrics, cellOf, now: () => now, uptimeMs: () => uptime })
  return {
    metrics,
    traffic,
    at(ms: number): void {
      now = ms
    },
    /** On both clocks. */
    pass(ms: number): void {
      now += ms
      uptime += ms
    },
    async counts(cell = 'cell-001') {
      return (await metrics.counts({ until: now, seconds: 3_600 })).get(cell)
    },
  }
}

type Counters = Partial<RouterReport['cells'][number]>

function report(cell: Counters, more: Partial<RouterReport> = {}): RouterReport {
  const zeros = { requests: 0, errors: 0, connect_failures: 0, in_flight: 0, is_ejected: false }
  return {
    ...{ router: 'router-1', started_at: '2026-01-01T06:00:00.000Z', at: '2026-01-01T12:00:00.000Z' },
    ...{ base: null, overlay: null, refused_documents: 0, last_refusal: null, tenants: [] },
    cells: [{ slot: 0, ...zeros, ...cell }],
    ...more,
  }
}

test('what grew between two reports is a sample: good is what was answered and not with a 5xx', async () => {
  const { traffic, metrics, counts } = ground()
  traffic.record(report({ requests: 5_000, errors: 400, durations: [9], duration_sum_ms: 70 }))
  assert.equal(await counts(), undefined)
  traffic.record(
    report({ requests: 5_100, errors: 410, connect_failures: 4, durations: [9, 90], duration_sum_ms: 270 }),
  )
  assert.deepEqual(await counts(), { total: 100, good: 90 })
  const latencies = (await metrics.latencies({ until: NOW, seconds: 10 })).get('cell-001')!
  assert.deepEqual(latencies.counts.slice(0, 3), [0, 90, 90])
  assert.equal(latencies.sumSeconds, Math.fround(200) / 1_000)
})

test('how full requests found a cell is counted of those too that it turned away, and of an older router not at all', async () => {
  const { traffic, metrics, counts } = ground()
  const room = async () =>
    (
      await metrics.counts({ until: NOW, seconds: 3_600 }, { indicator: 'saturation', threshold_share: 0.6 })
    ).get('cell-001')
  traffic.record(report({ requests: 100 }, { router: 'older' }))
  traffic.record(report({ requests: 150 }, { router: 'older' }))
  assert.deepEqual(await room(), { total: 0, good: 0 })
  traffic.record(report({ requests: 10, saturation: [4, 3, 2, 1, 0, 0, 5] }))
  traffic.record(report({ requests: 10, saturation: [4, 3, 2, 1, 0, 0, 9] }))
  assert.deepEqual(await room(), { total: 4, good: 0 })
  traffic.record(report({ requests: 16, saturation: [8, 4, 2, 2, 0, 0, 9] }))
  assert.deepEqual(await room(), { total: 10, good: 5 })
  assert.deepEqual(await counts(), { total: 56, good: 56 })
})

test('of a router that began a moment ago, and after this process, all is new; of an older one nothing is', async () => {
  const young = { started_at: '2026-01-01T11:59:50.000Z' }
  const fresh = ground()
  fresh.traffic.record(report({ requests: 7 }, young))
  assert.deepEqual(await fresh.counts(), { total: 7, good: 7 })
  const restarted = ground(5 * SECOND)
  restarted.traffic.record(report({ requests: 7 }, young))
  assert.equal(await restarted.counts(), undefined, 'the process before it may have counted them')
})

test('a router that was restarted counts from zero, and routers add up', async () => {
  const { traffic, counts } = ground()
  for (const router of ['router-1', 'router-2']) {
    traffic.record(report({ requests: 100 }, { router }))
    traffic.record(report({ requests: 130 }, { router }))
  }
  traffic.record(report({ requests: 4 }, { started_at: '2026-01-01T11:59:59.000Z' }))
  assert.deepEqual(await counts(), { total: 64, good: 64 })
})

describe('after a gap of more than a minute a report only sets the counters', () => {
  const HOUR = 60 * 60 * SECOND
  const at = (ms: number) => ({ at: new Date(NOW + ms).toISOString() })

  for (const [what, gap] of [
    ['a replica leads again after two days', 48 * HOUR],
    ['a router was cut off for an hour', HOUR],
    ['for little more than a minute', 61 * SECOND],
  ] as const) {
    test(what, async () => {
      const { traffic, counts, pass } = ground()
      traffic.record(report({ requests: 100 }, at(0)))
      pass(gap)
      traffic.record(report({ requests: 900_100, errors: 50_000 }, at(gap)))
      assert.equal(await counts(), undefined)
      pass(SECOND)
      traffic.record(report({ requests: 900_110, errors: 50_001 }, at(gap + SECOND)))
      assert.deepEqual(await counts(), { total: 10, good: 9 })
    })
  }
  test('this process stood still, and only the router knows of the hour', async () => {
    const { traffic, counts } = ground()
    traffic.record(report({ requests: 100 }, at(0)))
    traffic.record(report({ requests: 9_000, errors: 5_000 }, at(HOUR)))
    assert.equal(await counts(), undefined)
  })
  test('the router was restarted meanwhile, and its counters are hours old', async () => {
    const { traffic, counts, pass } = ground()
    traffic.record(report({ requests: 100 }, at(0)))
    pass(5 * HOUR)
    const restarted = { ...at(5 * HOUR), started_at: new Date(NOW + HOUR).toISOString() }
    traffic.record(report({ requests: 9_000, errors: 5_000 }, restarted))
    assert.equal(await counts(), undefined)
  })
  test('but one that began a moment ago counts in whole, and so does a gap of less', async () => {
    const { traffic, counts, pass } = ground()
    traffic.record(report({ requests: 100 }, at(0)))
    pass(50 * SECOND)
    traffic.record(report({ requests: 120 }, at(50 * SECOND)))
    assert.deepEqual(await counts(), { total: 20, good: 20 })
    pass(HOUR)
    const young = { ...at(HOUR), started_at: new Date(NOW + HOUR - SECOND).toISOString() }
    traffic.record(report({ requests: 7 }, young))
    assert.deepEqual(await counts(), { total: 7, good: 7 })
  })
})

test('cells for which there is no room are told, until there is', () => {
  const metrics = createRollingStore()
  const sample = { requests: 1, good: 1, inFlight: 0, latencySumMs: 0, latencies: [], saturation: [] }
  for (let cell = 0; cell < 1_000; cell++) metrics.record(`retired-${cell}`, NOW, sample)
  const traffic = createTraffic({
    ...{ metrics, now: () => NOW, uptimeMs: () => 0 },
    cellOf: (slot) => ['retired-0', 'new'][slot],
  })
  traffic.recordLevels(new Map([0, 1].map((slot) => [slot, 3])))
  assert.deepEqual([...traffic.takeUnmeasured()], ['new'])
  assert.deepEqual([...traffic.takeUnmeasured()], [])
  metrics.forget('retired-7')
  traffic.recordLevels(new Map([[1, 3]]))
  assert.deepEqual([...traffic.takeUnmeasured()], [])
})

test('a slot that the topology does not have is left out', async () => {
  const { traffic, counts, metrics } = ground()
  traffic.record(report({ slot: 9 }))
  traffic.record(report({ slot: 9, requests: 100 }))
  assert.equal(await counts(), undefined)
  assert.equal((await metrics.counts({ until: NOW, seconds: 3_600 })).size, 0)
})

test('a level is of all routers together, and the highest of its step counts', async () => {
  const { traffic, metrics, at } = ground()
  traffic.recordLevels(new Map([[0, 12]]))
  at(NOW - SECOND)
  traffic.recordLevels(new Map([[0, 3]]))
  assert.equal((await metrics.inFlightMax({ until: NOW, seconds: 10 })).get('cell-001'), 12)
})
