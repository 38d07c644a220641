/** What routers and hosts say that they have: what begins an epoch, and what is only told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostOrder } from '@cellplane/contract'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { AUDIT, SETTINGS, SETTINGS_KEY } from '../store/collections.ts'
import type { Store } from '../store/store.ts'
import {
  CLAIMED_EPOCH_EVERY_MS,
  createEpochClaims,
  EPOCHS_AHEAD_MAX,
  type EpochClaimsOptions,
} from './epoch-claims.ts'

type Held = { epoch: number; version: number; signature?: string }

function start() {
  const store = createMemoryStore()
  const world = {
    now: Date.UTC(2026, 0, 1),
    base: { epoch: 1, version: 4, signature: { value: 'a' } },
    routers: new Map<string, Held>(),
    order: null as Held | null,
  }
  const open = () =>
    createEpochClaims({
      store: store as unknown as Store,
      published: {
        base: () => ({ document: world.base }),
        overlay: () => null,
      } as unknown as EpochClaimsOptions['published'],
      observations: {
        routers: {
          held: () => [...world.routers].map(([router, base]) => ({ router, base, overlay: null })),
        },
        hosts: { obeyed: () => [{ host: 'h', order: world.order }] },
      },
      orders: new Map([['h', { epoch: 1, version: 3 } as HostOrder]]),
      fleet: 'test',
      now: () => world.now,
    })
  const begun = async () =>
    (await store.list(AUDIT)).rows.map(({ value }) => `${value.subject}: ${value.reason}`)
  return { world, store, open, begun }
}

test('what is newer than the store, or another of its version, begins an epoch', async () => {
  const cases: [Held, RegExp][] = [
    [{ epoch: 1, version: 5 }, /^epoch 2: router "r" has the base of \(epoch 1, version 5\)/],
    [{ epoch: 1, version: 4, signature: 'b' }, /^epoch 2: router "r" has another base/],
    [{ epoch: 1 + EPOCHS_AHEAD_MAX, version: 1 }, /^epoch 18: /],
  ]
  for (const [held, reason] of cases) {
    const { world, open, begun } = start()
    const claims = open()
    world.routers.set('same', { epoch: 1, version: 4, signature: 'a' })
    world.routers.set('older', { epoch: 1, version: 3, signature: 'b' })
    assert.equal(await claims.follow(1), 1)
    world.routers.set('r', held)
    assert.equal(await claims.follow(1), held.epoch + 1)
    assert.match((await begun()).join(), reason)
  }
  const { world, open } = start()
  world.order = { epoch: 1, version: 9 }
  assert.equal(await open().follow(1), 2)
})

test('an epoch far from this one begins none; who says so is named, and keeps no other from being believed', async () => {
  const { world, store, open, begun } = start()
  const claims = open()
  for (const epoch of [1 + EPOCHS_AHEAD_MAX + 1, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
    world.routers.set('broken', { epoch, version: 9 })
    await assert.rejects(() => claims.follow(1), /router "broken" says .* at most 17 is believed/)
  }
  assert.deepEqual(await begun(), [])
  assert.equal(await store.get(SETTINGS, SETTINGS_KEY), undefined)
  world.routers.set('right', { epoch: 1, version: 5 })
  assert.equal(await claims.follow(1), 2)
})

test('after an epoch that a claim began the next one waits, on another replica too', async () => {
  const { world, open, begun } = start()
  world.routers.set('r', { epoch: 1, version: 5 })
  assert.equal(await open().follow(1), 2)
  world.base = { epoch: 2, version: 1, signature: { value: 'c' } }
  assert.equal(await open().follow(2), 2, 'what it has is of an epoch that is over')
  world.routers.set('r', { epoch: 2, version: 2 })
  world.now += CLAIMED_EPOCH_EVERY_MS - 1
  await assert.rejects(() => open().follow(2), /router "r" has the base .* no epoch begins for it yet/)
  assert.equal((await begun()).length, 1)
  world.now += 1
  assert.equal(await open().follow(2), 3)
})
