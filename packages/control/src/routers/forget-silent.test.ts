import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { HOSTS, ROUTERS } from '../store/collections.ts'
import { FORGOTTEN_AFTER_MS, forgetSilent } from './forget-silent.ts'
import { createRouterReports } from './router-reports.ts'

const NOW = Date.UTC(2026, 0, 2)
const REPORT = {
  ...{ at: '', started_at: '', base: null, overlay: null, refused_documents: 0, last_refusal: null },
  ...{ cells: [], tenants: [] },
}

test('rows of routers and hosts are removed after a day of silence, and no sooner', async () => {
  const store = createMemoryStore()
  const { base, overlay, refused_documents, last_refusal } = REPORT
  const row = { base, overlay, refused_documents, last_refusal }
  for (const [name, silentMs] of [
    ['gone', FORGOTTEN_AFTER_MS + 1],
    ['stays', FORGOTTEN_AFTER_MS],
  ] as const) {
    const last_report_at = new Date(NOW - silentMs).toISOString()
    await store.put(ROUTERS, name, { router: name, last_report_at, ...row })
    await store.put(HOSTS, name, { host: name, last_report_at })
  }
  await forgetSilent(store, NOW)
  for (const collection of [ROUTERS, HOSTS]) {
    assert.deepEqual(
      (await store.list<unknown>(collection)).rows.map(({ key }) => key),
      ['stays'],
    )
  }
})

test('a replica that runs for days shows them no longer than that either', () => {
  let now = 0
  const reports = createRouterReports(() => now)
  reports.accept({ ...REPORT, router: 'gone' })
  now = 1
  reports.accept({ ...REPORT, router: 'stays' })
  now = FORGOTTEN_AFTER_MS + 1
  assert.deepEqual(
    reports.list().map(({ router }) => router),
    ['stays'],
  )
})
