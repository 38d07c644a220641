import assert from 'node:assert/strict'
import { test } from 'node:test'
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
