/** What a replica takes from the store while another one publishes: never a base without the wave that it is in. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { keyIdOf, signDocument } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { planDeclarations } from '../registry/declare.ts'
import { BASES, VERSIONS, versionKey, WAVE_KEY, WAVES } from '../store/collections.ts'
import type { StoreReader } from '../store/store.ts'
import { planBase } from './plan-base.ts'
import { createPublished } from './published.ts'

const NOW = Date.UTC(2026, 0, 1)
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keyId = keyIdOf(publicKey)
const fleet = exampleFleet()

const cells = planDeclarations(fleet, [], 'local', NOW).map(({ stored: { cell } }) => ({
  ...cell,
  state: 'active' as const,
  endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
}))
const planned = planBase({
  ...{ fleet, cells, overrides: [], tenants: [], current: null, epoch: 1, now: NOW, bounds: 'keep' },
})
assert.ok(planned.ok)
const { base } = planned.value

function startStore() {
  const store = createMemoryStore()
  const replica = () => createPublished(new Map([[keyId, publicKey]]), fleet.fleet)
  return {
    store,
    replica,
    async publish(version: number): Promise<void> {
      const text = JSON.stringify(signDocument({ ...base, version }, keyId, privateKey))
      const of = { epoch: 1, version }
      await store.put(BASES, versionKey(of), { ...of, text })
      const summary = { issued_at: base.issued_at, reason: 'x', actor: 'x', bytes: text.length }
      await store.put(VERSIONS, versionKey(of), { ...of, ...summary })
    },
    beginWave: (version: number) =>
      store.put(WAVES, WAVE_KEY, {
        base: { epoch: 1, version },
        former: { epoch: 1, version: version - 1 },
        canary: 'router-1',
        began_at: base.issued_at,
        began: [],
      }),
  }
}

/** The store, with `before` run ahead of each read of a table. */
function watched(store: StoreReader, before: (table: string) => Promise<void> | void): StoreReader {
  return {
    count: (collection) => store.count(collection),
    async get(collection, key) {
      await before(collection.table)
      return store.get(collection, key)
    },
    async list(collection, page) {
      await before(collection.table)
      return store.list(collection, page)
    },
  }
}

test('a base in its wave is handed to its canary only, by a follower and by one that starts anew, at every moment', async () => {
  const { store, replica, publish, beginWave } = startStore()
  await publish(1)
  const follower = replica()
  await follower.refresh(store)
  await publish(2)
  await beginWave(2)
  for (const one of [follower, replica()]) {
    let rings = 0
    const stopping = new AbortController()
    void one.changed.wait(60_000, stopping.signal).then(() => rings++)
    const look = () => assert.notEqual(one.baseFor('router-2')?.version, 2)
    await one.refresh(watched(store, look))
    look()
    assert.deepEqual([one.baseFor('router-1')?.version, one.baseFor()?.version, rings], [2, 1, 1])
    stopping.abort()
    await store.remove(WAVES, WAVE_KEY)
    await one.refresh(store)
    assert.equal(one.baseFor('router-2')?.version, 2, 'the wave is over')
    await beginWave(2)
  }
})

test('what cannot be read changes nothing', async () => {
  const { store, replica, publish, beginWave } = startStore()
  await publish(1)
  const follower = replica()
  await follower.refresh(store)
  await publish(2)
  await beginWave(2)
  const failing = watched(store, (table) => {
    if (table === WAVES.table) throw new Error('the database does not answer')
  })
  for (const one of [follower, replica()]) {
    const held = one.base()
    await assert.rejects(() => one.refresh(failing), /does not answer/)
    assert.deepEqual([one.base(), one.baseFor('router-2'), one.wave()], [held, held, null])
  }
  await store.put(BASES, versionKey({ epoch: 1, version: 1 }), { epoch: 1, version: 1, text: '{"cut' })
  const anew = replica()
  await assert.rejects(() => anew.refresh(store), /table bases, key "0+1\.0+1"/)
  assert.equal(anew.base(), null)
  await follower.refresh(store)
  assert.equal(follower.baseFor('router-2')?.version, 1, 'it has the former one in memory')
})

test('a base that is taken back while it is read goes to nobody, whether it was held by the canary or not', async () => {
  const { store, replica, publish, beginWave } = startStore()
  await publish(1)
  const late = replica()
  await late.refresh(store)
  await publish(2)
  await beginWave(2)
  const early = replica()
  await early.refresh(store)
  let isTakenBack = false
  const takingBack = watched(store, async (table) => {
    if (table !== WAVES.table || isTakenBack) return
    isTakenBack = true
    await store.remove(WAVES, WAVE_KEY)
    await publish(3)
  })
  await late.refresh(takingBack)
  assert.deepEqual([late.base()?.version, late.baseFor('router-2')?.version], [1, 1])
  await store.remove(VERSIONS, versionKey({ epoch: 1, version: 3 }))
  await beginWave(2)
  isTakenBack = false
  await early.refresh(takingBack)
  assert.deepEqual([early.base()?.version, early.baseFor('router-2')?.version], [2, 1])
  for (const one of [late, early]) {
    await one.refresh(store)
    assert.deepEqual([one.baseFor('router-1')?.version, one.baseFor('router-2')?.version], [3, 3])
  }
})
