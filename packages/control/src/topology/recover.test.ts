/** A store that is an older copy: who notices, and what is not decided a second time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Override } from '@cellplane/contract'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { declared, fleet, HOME, keys, NOW, publishedText } from '../fixtures/published-text.ts'
import {
  AUDIT,
  BASES,
  CELLS,
  OVERRIDES,
  SETTINGS,
  SETTINGS_KEY,
  TENANTS,
  VERSIONS,
  versionKey,
} from '../store/collections.ts'
import { type Store, StoreRowInvalid } from '../store/store.ts'
import { describeForgotten, findForgotten } from './older-store.ts'
import { createPublished, type Published } from './published.ts'
import { recoverTopology } from './recover.ts'

type Given = { file?: string | undefined; memory?: string; prepare?: (published: Published) => void }

/** The store of before anything was published, with these cells; and a replica that has no memory, or this one. */
async function recover(
  cells: typeof declared,
  { file, memory, prepare }: Given,
  store = createMemoryStore(),
) {
  await store.put(SETTINGS, SETTINGS_KEY, { fleet: fleet.fleet, epoch: 1 })
  for (const stored of cells) await store.put(CELLS, stored.cell.id, stored)
  const published = createPublished(keys, fleet.fleet)
  if (memory) assert.ok(published.takeBase(memory).ok)
  prepare?.(published)
  return { store, published, epoch: await recoverAgain(store, published, file) }
}

/** As a replica that takes the lease and reads this file. */
function recoverAgain(
  store: ReturnType<typeof createMemoryStore>,
  published: Published,
  fileText: string | undefined,
): Promise<number> {
  return recoverTopology({
    store: store as unknown as Store,
    published,
    ...{ fileText, overlayFileText: undefined, keys, fleet: fleet.fleet, now: NOW },
  })
}

async function putBase(store: ReturnType<typeof createMemoryStore>, version: number, text: string) {
  const row = { epoch: 1, version }
  await store.put(BASES, versionKey(row), { ...row, text })
  const about = { issued_at: new Date(NOW).toISOString(), reason: '', actor: '', bytes: 1 }
  await store.put(VERSIONS, versionKey(row), { ...row, ...about })
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
  await recover(declared, { file: publishedText(7) }, store)
  assert.deepEqual(await store.get(OVERRIDES, 'a'), later)
})

test('a home is not taken into a slot that another cell has by now', async () => {
  const others = declared.map((stored) =>
    stored.cell.slot === 1 ? { ...stored, cell: { ...stored.cell, id: 'cell-x' } } : stored,
  )
  const { store } = await recover(others, { file: publishedText(7) })
  assert.equal(await store.get(OVERRIDES, 'a'), undefined)
  const { rows } = await store.list(AUDIT)
  assert.match(
    rows[0]!.value.reason,
    /0 homes and pins are taken back, 1 are in cells .*does not know cell-002/,
  )
})

test('a row of a tenant that cannot be read is replaced, and does not keep the epoch from beginning', async () => {
  const store = createMemoryStore()
  const { get } = store
  const isSpoilt = { value: true }
  store.get = async (collection, key) => {
    if (isSpoilt.value && collection.table === TENANTS.table) {
      throw new StoreRowInvalid({ table: collection.table, key, problems: [] })
    }
    return get(collection, key)
  }
  const { epoch } = await recover(declared, { file: publishedText(7) }, store)
  isSpoilt.value = false
  assert.equal(epoch, 2)
  assert.deepEqual(await store.get(TENANTS, 'a'), { requests: 0, is_registered: true })
  assert.match((await store.list(AUDIT)).rows[0]!.value.reason, /1 rows of tenants could not be read/)
})

test('an epoch that began for what the replica has does not begin again before the first base of it', async () => {
  const file = publishedText(7)
  const { store, epoch } = await recover(declared.slice(0, 2), { file })
  const again = await recoverAgain(store, createPublished(keys, fleet.fleet), file)
  assert.deepEqual([epoch, again], [2, 2])
})

test('a file with other content of the version that the store has begins an epoch, and places nobody', async () => {
  const lost = publishedText(7, { reason: 'pin' })
  const given = publishedText(7)
  const store = createMemoryStore()
  await putBase(store, 7, given)
  const { epoch, published } = await recover(declared, { file: lost }, store)
  assert.equal(epoch, 2)
  assert.equal(published.base()?.text, given)
  assert.equal(await store.get(OVERRIDES, 'a'), undefined)
  assert.match((await store.list(AUDIT)).rows[0]!.value.reason, /another base of \(epoch 1, version 7\)/)
  assert.equal((await recover(declared, { file: given }, createMemoryStore())).epoch, 2)
})

for (const [name, cells] of [
  ['all cells', declared],
  ['not all cells', declared.slice(0, 2)],
] as const) {
  test(`a base that one router has is not shown to all by a store that is older and knows ${name}`, async () => {
    const wave = {
      ...{ base: { epoch: 1, version: 7 }, former: { epoch: 1, version: 6 }, canary: 'r1' },
      ...{ began_at: new Date(NOW).toISOString(), began: [] },
    }
    const prepare = (published: Published) => {
      assert.ok(published.takeBase(publishedText(6)).ok)
      assert.ok(published.takeBase(publishedText(7), wave).ok)
    }
    const older = createMemoryStore()
    await putBase(older, 5, publishedText(5))
    const { store, published, epoch } = await recover([...cells], { prepare }, older)
    assert.equal(epoch, 2)
    const versions = () => [published.baseFor()?.version, published.baseFor('r1')?.version]
    assert.deepEqual(versions(), [6, 7])
    await published.refresh(store)
    assert.deepEqual(versions(), [6, 7])
    const restarted = createPublished(keys, fleet.fleet)
    await restarted.refresh(store)
    const isTaken = cells.length === declared.length
    assert.deepEqual(
      [restarted.baseFor()?.version, restarted.baseFor('r1')?.version],
      isTaken ? [6, 7] : [5, 5],
    )
  })
}

test('a store that knows what everybody holds has forgotten nothing', () => {
  const known = { epoch: 2, version: 4, signature: 'a' }
  const held = (epoch: number, version: number, signature?: string) => ({
    ...{ who: 'router "a"', kind: 'base' as const, held: { epoch, version, signature }, known },
  })
  const none = [held(2, 4, 'a'), held(2, 4), held(1, 9), held(2, 3, 'b'), held(1, 4, 'b')]
  assert.equal(findForgotten(none, 1), undefined)
  const forgotten = findForgotten([held(2, 5), held(3, 1), held(2, 9)], 2)
  assert.deepEqual([forgotten?.held.epoch, forgotten?.held.version], [3, 1])
  assert.match(describeForgotten(forgotten!), /router "a" has the base of \(epoch 3, version 1\)/)
  assert.equal(findForgotten([held(3, 1)], 4), undefined, 'of an epoch that is over')
  const other = findForgotten([held(2, 4, 'b')], 2)
  assert.match(describeForgotten(other!), /router "a" has another base of \(epoch 2, version 4\)/)
  const host = { who: 'host "h"', kind: 'order' as const, held: { epoch: 1, version: 1 }, known: undefined }
  assert.equal(findForgotten([host], 1), host)
})
