/** Requests of the API and refused bases, as one tenure's reconciler meets them; the store and its neighbours are stand-ins. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem, refused } from '@cellplane/contract'
import { monotonicNow } from '../clock.ts'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { planDeclarations } from '../registry/declare.ts'
import { createRouterReports } from '../routers/router-reports.ts'
import { HALTS } from '../store/collections.ts'
import type { HeldWave } from '../topology/published.ts'
import { type BaseReconcilerOptions, createBaseReconciler } from './reconcile-bases.ts'

const NOW = Date.UTC(2026, 0, 1)
const fleet = exampleFleet()
const CAUSE = { actor: 'the admin', reason: 'x' }
const cells = planDeclarations(fleet, [], 'local', NOW).map(({ stored }) => ({
  ...stored,
  cell: { ...stored.cell, state: 'active' as const },
}))

const REPORT = {
  ...{ at: '', base: null, overlay: null, refused_documents: 0, last_refusal: null, cells: [], tenants: [] },
}

function start() {
  const memory = createMemoryStore()
  const routers = createRouterReports(monotonicNow)
  const world = {
    haltFailures: 0,
    wave: null as HeldWave | null,
    plans: 0,
    asked: 0,
    /** Former tables whose time is over: the reason to plan that lasts until a base is out. */
    base: { document: { former_tables: [{ until: new Date(NOW - 1).toISOString() }] } },
  }
  const store = {
    ...memory,
    async get(collection: { table: string }, key: string) {
      if (collection === HALTS && world.haltFailures-- > 0) throw new Error('the disk is full')
      return memory.get(collection as typeof HALTS, key)
    },
  }
  const notTaken = refused(problem('BUDGET_EXCEEDED', '', 'too much at once'))
  const reconciler = createBaseReconciler({
    store: store as unknown as BaseReconcilerOptions['store'],
    published: {
      base: () => world.base,
      wave: () => world.wave,
    } as unknown as BaseReconcilerOptions['published'],
    publisher: {
      signed: () => true,
      async publishBase() {
        world.plans++
        return notTaken
      },
      async publishPlanned() {
        world.asked++
        if (world.wave) throw new Error('the store is read-only')
        return notTaken
      },
    } as unknown as BaseReconcilerOptions['publisher'],
    planner: {} as BaseReconcilerOptions['planner'],
    routers,
    fleet,
    now: () => NOW,
  })
  return { world, reconciler, routers }
}

test('what goes wrong with a request is told to who asked, and the next one has its turn', async () => {
  const { world, reconciler } = start()
  const [first, second] = [reconciler.requestRollback(1, CAUSE), reconciler.requestPlan('p1', CAUSE)]
  world.haltFailures = 1
  await reconciler.run([], 0, 1)
  assert.match(String(first.error), /the disk is full/)
  assert.equal(first.answer, undefined)
  assert.deepEqual([second.error, second.answer?.ok], [undefined, false])
})

test('a request that no run got to is not done once it was withdrawn', async () => {
  const { world, reconciler, routers } = start()
  const began = { router: 'router-1', started_at: 'a', requests: 0, errors: 0, refused: 0 }
  const of = (version: number) => ({ epoch: 1, version })
  const wave = { base: of(2), former: of(1), canary: 'router-1', began_at: '', began: [began] }
  world.wave = { ...wave, held: {} as HeldWave['held'] }
  const request = reconciler.requestRollback(1, CAUSE)
  const kept = reconciler.requestRollback(1, CAUSE)
  // The canary was started anew, so the base is to be taken back, and that fails.
  routers.accept({ ...REPORT, router: 'router-1', started_at: 'b' })
  await assert.rejects(() => reconciler.run(cells, 0, 1), /read-only/)
  assert.deepEqual([request.answer, request.error], [undefined, undefined])
  request.withdraw()
  world.wave = null
  const before = world.asked
  await reconciler.run([], 0, 1)
  assert.equal(world.asked, before + 1, 'the one that was not withdrawn')
  assert.equal(request.answer, undefined)
  assert.equal(kept.answer?.ok, false)
})

test('a base that is refused is planned anew by a change or the review, not by every run', async () => {
  const { world, reconciler } = start()
  for (let run = 0; run < 3; run++) {
    await assert.rejects(() => reconciler.run(cells, 0, 1), /cannot be published: .*too much at once/)
  }
  assert.equal(world.plans, 1)
  await assert.rejects(() => reconciler.run(cells, 1, 1), /too much at once/)
  assert.equal(world.plans, 2, 'the API changed something')
  await assert.rejects(() => reconciler.run(cells.slice(1), 1, 1), /too much at once/)
  assert.equal(world.plans, 3, 'the registry changed')
})
