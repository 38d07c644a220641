import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { issueTokens, startFleet, startSpanReceiver, type TestFleet, waitFor } from '@cellplane/testing'
import { testReshaping } from '../reshape-a-fleet/cases.ts'
import { type GrowResult, growAndDrain } from './run.ts'

describe('a fleet that changes under traffic', { timeout: 380_000 }, () => {
  let fleet: TestFleet
  let receiver: Awaited<ReturnType<typeof startSpanReceiver>>
  let result: GrowResult

  before(async () => {
    receiver = await startSpanReceiver()
    fleet = await startFleet({
      cells: 4,
      zones: ['a', 'b', 'c'],
      spareCells: 2,
      flags: ['--traces', receiver.url],
    })
    result = await growAndDrain(fleet, { requestsPerSecond: 100, drain: 'cell-001', seed: 42 })
  })
  after(async () => {
    await fleet?.remove()
    await receiver?.stop()
  })

  test('fails no request while a cell joins and another is drained', () => {
    assert.deepEqual(result.failures, {})
  })

  test('gives the new cell its share of tenants', () => {
    assert.equal(result.added, 'cell-005')
    assert.ok(result.servedByAdded > 0)
  })

  test('refuses to retire a cell that holds records within their retention', async () => {
    await assert.rejects(
      fleet.cli('cell', 'retire', 'cell-001', '--reason', 'test'),
      /CELL_HOLDS_DATA|retention/,
    )
  })

  test('goes on answering for the drained cell’s records', async () => {
    const [cell] = (await fleet.status()).cells.filter(({ id }) => id === 'cell-001')
    assert.equal(cell?.state, 'drained')
    assert.equal(cell?.health, 'healthy')
  })

  test('leaves one trace of a request: router, cell, its queue, the worker that delivers', async () => {
    const tenant = 'customer-001'
    const token = (await issueTokens(fleet, [tenant])).get(tenant)!
    const trace = '0af7651916cd43dd8448eb211c80319c'
    const client = 'b7ad6b7169203331'
    const response = await fetch(`${fleet.routerUrl}/v1/notifications`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        traceparent: `00-${trace}-${client}-01`,
      },
      body: JSON.stringify({ channel: 'sms', to: '+4912345', body: 'follow me' }),
    })
    assert.equal(response.status, 202)
    const spans = await waitFor('the spans of all four', 30_000, () => {
      const found = receiver.spans.filter(({ traceId }) => traceId === trace)
      return found.length >= 4 && found
    })
    const way = ['POST', 'POST /v1/notifications', 'send delivery', 'process delivery'].map(
      (name) => spans.find((span) => span.name === name)!,
    )
    assert.deepEqual(
      way.map(({ parentSpanId }) => parentSpanId),
      [client, ...way.slice(0, -1).map(({ spanId }) => spanId)],
    )
    assert.deepEqual(
      way.map(({ resource }) => resource['service.name']),
      ['cellplane-router', 'api', 'api', 'worker'],
    )
    const cell = response.headers.get('cellplane-cell')
    for (const { attributes } of way) {
      assert.deepEqual([attributes['cellplane.cell'], attributes['cellplane.tenant']], [cell, tenant])
    }
  })

  // What this scenario leaves is a whole fleet of several zones, and its start takes longer than these.
  testReshaping(() => fleet)
})
