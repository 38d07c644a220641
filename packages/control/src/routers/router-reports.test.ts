import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouterReport } from '@cellplane/contract'
import { createRouterReports } from './router-reports.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const reportOf = (router: string): RouterReport => ({
  ...{ router, started_at: '2026-01-01T00:00:00.000Z', at: '2026-01-01T00:00:00.000Z' },
  ...{ base: null, overlay: null, refused_documents: 0, last_refusal: null, cells: [], tenants: [] },
})

function ground() {
  let now = 0
  const reports = createRouterReports(() => now)
  return {
    reports,
    /** These report each 30 s for so long. */
    pass(ms: number, ...routers: string[]): void {
      for (const end = now + ms; now < end; ) {
        now += 30 * SECOND
        for (const router of routers) reports.accept(reportOf(router))
      }
    },
    /** Of the last five minutes. */
    areHeard: (withinMs: number) => reports.areHeardThroughout(5 * MINUTE, withinMs),
  }
}

test('routers are heard throughout when none of those that count was silent for more than a minute', () => {
  const { pass, areHeard } = ground()
  pass(HOUR, 'one', 'other')
  assert.equal(areHeard(HOUR), true)
  pass(MINUTE, 'one')
  assert.equal(areHeard(HOUR), true)
  pass(MINUTE, 'one')
  assert.equal(areHeard(HOUR), false)
})

test('one that comes back is so when five minutes are over, as is one that is new', () => {
  const { pass, areHeard } = ground()
  pass(HOUR, 'one', 'other')
  pass(2 * MINUTE, 'one')
  pass(5 * MINUTE, 'one', 'other')
  assert.equal(areHeard(HOUR), false)
  pass(MINUTE, 'one', 'other')
  assert.equal(areHeard(HOUR), true)
  pass(MINUTE, 'one', 'other', 'new')
  assert.equal(areHeard(HOUR), false)
})

test('one that was gone before the time in question does not count, and none that was for a day', () => {
  const { pass, areHeard } = ground()
  pass(HOUR, 'one', 'other')
  pass(HOUR, 'one')
  assert.deepEqual([areHeard(2 * HOUR), areHeard(HOUR / 2)], [false, true])
  pass(22 * HOUR, 'one')
  assert.equal(areHeard(48 * HOUR), false)
  pass(2 * HOUR, 'one')
  assert.equal(areHeard(48 * HOUR), true)
})
