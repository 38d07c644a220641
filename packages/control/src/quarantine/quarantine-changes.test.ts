import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QUARANTINED_MAX } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { QUARANTINES, type StoredQuarantine } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'
import { createQuarantineChanges } from './quarantine-changes.ts'

const NOW = Date.UTC(2026, 0, 1)
const CAUSE = { actor: 'the admin', reason: 'x' }

/** As many rows as an overlay holds, the last of them as given. */
function full(last: StoredQuarantine, inForce: StoredQuarantine): StoreWriter {
  const rows = Array.from({ length: QUARANTINED_MAX }, (_, i) => {
    const value = i === 0 ? last : inForce
    return { key: value.tenant, value }
  })
  const memory = createMemoryStore()
  const isOfThem = ({ table }: { table: string }) => table === QUARANTINES.table
  return {
    ...memory,
    count: async (collection) => (isOfThem(collection) ? rows.length : memory.count(collection)),
    list: async (collection, page) =>
      isOfThem(collection) ? ({ rows, invalid: [] } as never) : memory.list(collection, page),
  }
}

test('tenants that were let out take no place of those in quarantine, and need one to come back', async () => {
  const changes = createQuarantineChanges(exampleFleet(), () => NOW)
  const at = new Date(NOW).toISOString()
  const row = { rule: 'operator', reason: 'x', since: at, until: null, times: 0, traffic_share: 0 } as const
  const released = { ...row, tenant: 'free', released_at: at }
  const inForce = { ...row, tenant: 'held', released_at: null }
  const withRoom = full(released, inForce)
  assert.equal((await changes.quarantine(withRoom, 'new', CAUSE)).ok, true)
  const withoutRoom = full(inForce, inForce)
  await withoutRoom.put(QUARANTINES, 'free', released)
  for (const tenant of ['new', 'free']) {
    const refusal = await changes.quarantine(withoutRoom, tenant, CAUSE)
    assert.match(refusal.ok ? '' : refusal.problems[0]!.message, /100000 tenants are in quarantine/)
  }
})
