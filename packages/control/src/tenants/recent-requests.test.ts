/** Loads in virtual time: what is counted now counts, and what was counted long ago fades. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { TENANTS } from '../store/collections.ts'
import { createObservedTenants } from './observed-tenants.ts'
import { LOAD_HOURS, readTenantRequests, recentRequests } from './recent-requests.ts'

const START = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000

async function createFleet() {
  const store = createMemoryStore()
  const observed = createObservedTenants()
  return {
    store,
    async count(tenant: string, requests: number, at: number): Promise<void> {
      observed.record([{ tenant, requests, errors: 0 }])
      await observed.save(store, at)
    },
    async loads(at: number): Promise<Record<string, number>> {
      const loads = await readTenantRequests(store, at)
      return Object.fromEntries(loads.map(({ tenant, requests }) => [tenant, requests]))
    },
  }
}

test('a tenant that was busy last month and is silent now weighs less than one that asks a little', async () => {
  const fleet = await createFleet()
  const now = START + 30 * 24 * HOUR_MS
  await fleet.count('busy-once', 1_000_000, START)
  await fleet.count('asks-a-little', 10, now)
  const loads = await fleet.loads(now)
  assert.ok(loads['busy-once']! < 0.001, String(loads['busy-once']))
  assert.equal(loads['asks-a-little'], 10)
  const row = await fleet.store.get(TENANTS, 'busy-once')
  assert.equal(row?.requests, 1_000_000, 'what it ever asked is still known')
})

test('a steady tenant stands at what it asks in the window, however long it has been there', async () => {
  const fleet = await createFleet()
  let at = START
  for (let step = 0; step < 10 * LOAD_HOURS * 4; step++) {
    at += HOUR_MS / 4
    await fleet.count('steady', 25, at)
  }
  const asked = 25 * 4 * LOAD_HOURS
  const load = (await fleet.loads(at))['steady']!
  assert.ok(Math.abs(load / asked - 1) < 0.01, `${load} of ${asked}`)
})

test('a tenant that was counted by a clock that was ahead, and is silent since, fades from when another is counted', async () => {
  const fleet = await createFleet()
  const ahead = START + 20 * 24 * HOUR_MS
  await fleet.count('silent', 100, ahead)
  assert.equal((await fleet.loads(START))['silent'], 100)
  await fleet.count('another', 1, START)
  const later = (await fleet.loads(START + LOAD_HOURS * HOUR_MS))['silent']!
  assert.ok(Math.abs(later - 100 / Math.E) < 0.01, String(later))
  const row = await fleet.store.get(TENANTS, 'silent')
  assert.equal(row?.requests, 100, 'what it ever asked stays')
})

test('a row of before loads were kept weighs nothing, and a clock that was set back adds nothing', async () => {
  const fleet = await createFleet()
  await fleet.store.put(TENANTS, 'old', { is_registered: true, requests: 500 })
  assert.equal((await fleet.loads(START))['old'], 0)
  assert.equal(recentRequests({ requests: 7, at: START }, START - HOUR_MS), 7)
})
