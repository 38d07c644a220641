import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_SLOS } from '@cellplane/contract'
import { createRollingStore } from '@cellplane/telemetry'
import { evaluateSlos } from './evaluate.ts'
import { rememberLongWindows } from './long-windows.ts'

const HOUR = 3_600
const START = Date.UTC(2026, 0, 1)

/** How often a window is asked for by looks of every ten seconds over so long a time. */
async function askedIn(minutes: number, seconds: number): Promise<number> {
  let asked = 0
  const counts = rememberLongWindows(async () => {
    asked++
    return new Map()
  })
  for (let at = 0; at < minutes * 60; at += 10) await counts({ until: START + at * 1_000, seconds })
  return asked
}

test('the windows of the most urgent condition are asked for at each look', async () => {
  assert.equal(await askedIn(10, 300), 60)
  assert.equal(await askedIn(10, HOUR), 60)
})

test('a longer one is asked for again after a 240th of it, and after five minutes at the latest', async () => {
  assert.equal(await askedIn(9, 6 * HOUR), 6)
  assert.equal(await askedIn(20, 24 * HOUR), 4)
  assert.equal(await askedIn(20, 30 * 24 * HOUR), 4)
})

test('each indicator has its own, a clock that steps back asks anew, and a failure is not remembered', async () => {
  let asked = 0
  let isDown = true
  const counts = rememberLongWindows(async () => {
    asked++
    if (isDown) throw new Error('down')
    return new Map()
  })
  const window = { until: START, seconds: 24 * HOUR }
  await assert.rejects(counts(window, { indicator: 'availability' }))
  isDown = false
  await counts(window, { indicator: 'availability' })
  await counts(window, { indicator: 'latency', threshold_ms: 500 })
  await counts(window, { indicator: 'latency', threshold_ms: 500 })
  assert.equal(asked, 3)
  await counts({ ...window, until: START - 10_000 }, { indicator: 'availability' })
  assert.equal(asked, 4)
})

test('a cell that came after the long windows were asked for is looked at with the short ones', async () => {
  const metrics = createRollingStore()
  const [availability] = DEFAULT_SLOS
  const windows = { counts: rememberLongWindows(metrics.counts) }
  const budgetsAt = async (until: number) => await evaluateSlos(windows, [availability!], until)
  assert.deepEqual(await budgetsAt(START), [])
  for (let at = START + 10_000; at <= START + 60_000; at += 10_000) {
    metrics.record('cell-new', at, {
      ...{ requests: 100, good: 0, inFlight: 1, latencySumMs: 0 },
      ...{ latencies: [], saturation: [] },
    })
  }
  const [budget, ...others] = await budgetsAt(START + 60_000)
  assert.deepEqual(others, [])
  assert.deepEqual(
    [budget!.cell, budget!.counts, budget!.left < 0],
    ['cell-new', { total: 600, good: 0 }, true],
  )
  assert.deepEqual(
    budget!.burning.map(({ severity }) => severity),
    ['page', 'page', 'ticket', 'ticket'],
  )
})

test('windows are asked for at once, and not at all when the first one has no answer', async () => {
  let [asked, underWay, most] = [0, 0, 0]
  let isDown = false
  const counts = async () => {
    asked++
    if (isDown) throw new Error('down')
    most = Math.max(most, ++underWay)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    underWay--
    return new Map()
  }
  await evaluateSlos({ counts }, DEFAULT_SLOS.slice(0, 1), START)
  assert.equal(asked, 8)
  assert.ok(most > 1, `${most} at once`)
  isDown = true
  asked = 0
  await assert.rejects(evaluateSlos({ counts }, DEFAULT_SLOS, START), /down/)
  assert.equal(asked, 1)
})
