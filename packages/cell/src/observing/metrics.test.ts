import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintMetrics, whyNoPromtool } from '@cellplane/testing'
import { cellConfigFromEnv } from '../config.ts'
import { createMetrics } from './metrics.ts'

async function pageAfterRequests(): Promise<string> {
  const metrics = createMetrics(
    cellConfigFromEnv({ CELLPLANE_CELL: 'cell-001', CELLPLANE_COMPONENT: 'api', CELLPLANE_RELEASE: 'r7' }),
  )
  for (const status of [200, 404, 503]) metrics.requestStarted()('GET', '/v1/orders/{id}', status)
  metrics.requestStarted()
  return await metrics.registry.metrics()
}

test('every series is the cell’s', async () => {
  const series = (await pageAfterRequests())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  assert.ok(series.length > 10)
  for (const line of series) assert.match(line, /cell="cell-001"/)
})

test('names, units and types are as Prometheus wants them', { skip: whyNoPromtool() ?? false }, async () => {
  assert.equal(lintMetrics(await pageAfterRequests()), '')
})
