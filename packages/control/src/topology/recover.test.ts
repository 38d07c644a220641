/** A store that is an older copy: who notices, and what is not decided a second time. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { keyIdOf, type Override, signDocument } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { planDeclarations } from '../registry/declare.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import { CELLS, OVERRIDES, SETTINGS, SETTINGS_KEY, TENANTS } from '../store/collections.ts'
import type { Store } from '../store/store.ts'
import { describeForgotten, findForgotten } from './older-store.ts'
import { planBase } from './plan-base.ts'
import { createPublished } from './published.ts'
import { recoverTopology } from './recover.ts'

const NOW = Date.UTC(2026, 0, 1)
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keyId = keyIdOf(publicKey)
const keys = new Map([[keyId, publicKey]])
const fleet = exampleFleet()
const declared = planDeclarations(fleet, [], 'local', NOW).map(({ stored }) => stored)
const HOME: Override = { tenant: 'a', cells: [1, 0], reason: 'assignment', generation: 1 }

/** As published: active cells, and a home that was assigned. */
function publishedText(version: number): string {
  const cells = declared.map(({ cell }) => ({
    ...inState(cell, 'active', NOW),
    endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
  }))
  const wish = { fleet, cells, overrides: [HOME], tenants: [], current: null, epoch: 1, now: NOW }
  const planned = planBase({ ...wish, bounds: 'keep' })
  assert.ok(planned.ok)
  return JSON.stringify(signDocument({ ...planned.value.base, version }, keyId, privateKey))
}

/** The store of before anything was published, with these cells; and a replica that has no memory, or this one. */
async function recover(cells: typeof declared, { file, memory }: { file?: string; memory?: string }) {
  const store = createMemoryStore()
  await store.put(SETTINGS, SETTINGS_KEY, { fleet: fleet.fleet, epoch: 1 })
  for (const stored of cells) await store.put(CELLS, stored.cell.id, stored)
  const published = createPublished(keys, fleet.fleet)
  if (memory) assert.ok(published.takeBase(memory).ok)
  const epoch = await recoverTopology({
    store: store as unknown as Store,
    published,
    ...{ fileText: file, overlayFileText: undefined, keys, fleet: fleet.fleet, now: NOW },
  })
  return { store, published, epoch }
}

for (const where of ['file', 'memory'] as const) {
  test(`what the replica’s ${where} has and the store has not begins an epoch, and places tenants as before`, async () => {
    const text = publishedText(7)
    const { store, published, epoch } = await recover(declared, { [where]: text })
    assert.equal(epoch, 2)
    assert.equal((await store.get(SETTINGS, SETTINGS_KEY))?.epoch, 2)
    assert.equal(published.base()?.text, text)
    const states = (await store.list(CELLS)).rows.map(({ value }) => value.cell.state)
    assert.deepEqual(new Set(states), new Set(['active']))
    assert.deepEqual(await store.get(OVERRIDES, 'a'), HOME)
    assert.equal((await store.get(TENANTS, 'a'))?.is_registered, true)
  })
}

test('of a base whose cells the store does not all know only the homes are taken, where their cells are known', async () => {
  const { store, published, epoch } = await recover(declared.slice(0, 2), { file: publishedText(7) })
  assert.equal(epoch, 2)
  assert.equal(published.base(), null)
  assert.deepEqual(await store.get(OVERRIDES, 'a'), HOME)
  const cells = (await store.list(CELLS)).rows.map(({ value }) => value.cell.state)
  assert.deepEqual(cells, ['provisioning', 'provisioning'])
})

test('a home that the store has at a later generation stays', async () => {
  const store = createMemoryStore()
  const later: Override = { ...HOME, cells: [0, 1], generation: 2 }
  await store.put(OVERRIDES, 'a', later)
  for (const stored of declared) await store.put(CELLS, stored.cell.id, stored)
  await recoverTopology({
    store: store as unknown as Store,
    published: createPublished(keys, fleet.fleet),
    ...{ fileText: publishedText(7), overlayFileText: undefined, keys, fleet: fleet.fleet, now: NOW },
  })
  assert.deepEqual(await store.get(OVERRIDES, 'a'), later)
})

test('a store that knows what everybody holds has forgotten nothing', () => {
  const known = { epoch: 2, version: 4 }
  const held = (epoch: number, version: number) => ({
    ...{ who: 'router "a"', kind: 'base' as const, held: { epoch, version }, known },
  })
  assert.equal(findForgotten([held(2, 4), held(1, 9), held(2, 3)]), undefined)
  const forgotten = findForgotten([held(2, 5), held(3, 1), held(2, 9)])
  assert.deepEqual(forgotten?.held, { epoch: 3, version: 1 })
  assert.match(describeForgotten(forgotten!), /router "a" has the base of \(epoch 3, version 1\)/)
  const host = { who: 'host "h"', kind: 'order' as const, held: { epoch: 1, version: 1 }, known: undefined }
  assert.equal(findForgotten([host]), host)
})
