import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRollingStore } from '@cellplane/telemetry'
import { requestRates } from './request-rates.ts'

const START = Date.UTC(2026, 0, 1)

test('rates are of steps that are over, so that they are the same at any moment of one', async () => {
  const metrics = createRollingStore()
  assert.equal(await requestRates(metrics, START), null)
  const sample = { requests: 3, good: 3, inFlight: 0, latencySumMs: 0, latencies: [], saturation: [] }
  for (let second = 1; second <= 304; second++) {
    metrics.record('cell-001', START + second * 1_000, sample)
    if (second < 60) continue
    const rates = await requestRates(metrics, START + second * 1_000)
    assert.equal(rates?.get('cell-001'), 3, `after ${second} s`)
  }
})
