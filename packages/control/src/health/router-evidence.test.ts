import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouterReport } from '@cellplane/contract'
import { createRouterEvidence } from './router-evidence.ts'

const NOW = 1_000_000_000
const SLOT = 3

type Counters = Partial<RouterReport['cells'][number]>

function report(cell: Counters, startedAt = '2026-01-01T00:00:00.000Z', router = 'router-1'): RouterReport {
  const zeros = { requests: 0, errors: 0, connect_failures: 0, in_flight: 0, is_ejected: false }
  return {
    router,
    started_at: startedAt,
    at: startedAt,
    base: null,
    overlay: null,
    refused_documents: 0,
    last_refusal: null,
    cells: [{ slot: SLOT, ...zeros, ...cell }],
    tenants: [],
  }
}

test('counts what grew since a router’s report before, and nothing of its first one', () => {
  const evidence = createRouterEvidence()
  evidence.record(report({ requests: 1000, errors: 900 }), NOW)
  assert.equal(evidence.windowOf(SLOT, NOW).attempts, 0, 'it may be about long ago')
  evidence.record(report({ requests: 1020, errors: 909 }), NOW + 1000)
  const { attempts, errors, reports } = evidence.windowOf(SLOT, NOW + 1000)
  assert.deepEqual([attempts, errors, reports], [20, 9, 1])
  assert.equal(evidence.windowOf(4, NOW + 1000).attempts, 0, 'of other cells it says nothing')
})

test('what grew while a router was not heard for more than a minute is no evidence of now', () => {
  const evidence = createRouterEvidence()
  evidence.record(report({ requests: 1000 }), NOW)
  evidence.record(report({ requests: 9000, errors: 8000 }), NOW + 3_600_000)
  assert.equal(evidence.windowOf(SLOT, NOW + 3_600_000).attempts, 0)
  evidence.record(report({ requests: 9010, errors: 8001 }), NOW + 3_601_000)
  const { attempts, errors } = evidence.windowOf(SLOT, NOW + 3_601_000)
  assert.deepEqual([attempts, errors], [10, 1])
})

test('counts a router that was restarted from zero, and a counter that shrank not at all', () => {
  const evidence = createRouterEvidence()
  evidence.record(report({ requests: 1000 }), NOW)
  evidence.record(report({ requests: 30, errors: 30 }, '2026-01-01T01:00:00.000Z'), NOW + 1000)
  assert.equal(evidence.windowOf(SLOT, NOW + 1000).errors, 30)
  evidence.record(report({ requests: 20, errors: 20 }, '2026-01-01T01:00:00.000Z'), NOW + 1000)
  assert.equal(evidence.windowOf(SLOT, NOW + 1000).attempts, 30)
})

test('sums what all routers saw: failed connections apart, one tenant’s errors as their share, durations, ejections', () => {
  const evidence = createRouterEvidence()
  for (const name of ['router-1', 'router-2']) {
    evidence.record(report({}, undefined, name), NOW)
    const seen = { requests: 100, errors: 30, connect_failures: 10, one_tenant_errors_share: 0.5 }
    const more = { is_ejected: name === 'router-2', durations: [60, 10] }
    evidence.record(report({ ...seen, ...more }, undefined, name), NOW + 1000)
  }
  assert.deepEqual(evidence.windowOf(SLOT, NOW + 1000), {
    ...{ attempts: 200, errors: 40, errorsOfOneTenant: 20, connectFailures: 20 },
    ...{ reports: 2, ejectedReports: 1, durations: [120, 20] },
  })
  assert.equal(evidence.windowOf(SLOT, NOW + 60_000).attempts, 0)
})
