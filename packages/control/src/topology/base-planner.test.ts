/** Planning a change, and the three ways to answer for what it exceeds of the budget. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { type Cell, keyIdOf, signDocument } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { planDeclarations } from '../registry/declare.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import { AUDIT, GRANT_KEY, GRANTS, TENANTS } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'
import { createBasePlanner } from './base-planner.ts'
import { planBase } from './plan-base.ts'
import { createPublished } from './published.ts'

const NOW = Date.UTC(2026, 0, 1)
const CAUSE = { actor: 'the admin', reason: 'disk' }
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keyId = keyIdOf(publicKey)
const fleet = exampleFleet({ budget: { active_cells_min: 4 } })
const cells: Cell[] = planDeclarations(fleet, [], 'local', NOW).map(({ stored: { cell } }) => ({
  ...inState(cell, 'active', NOW),
  endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
}))
/** One active cell less than the budget asks for. */
const oneDrains = cells.map((cell) => (cell.slot === 0 ? inState(cell, 'draining', NOW) : cell))

function start() {
  const memory = createMemoryStore()
  const store: StoreWriter = memory
  const reads = { tenants: 0 }
  const counting: StoreWriter = {
    ...store,
    list(collection, page) {
      if ((collection as { table: string }) === TENANTS) reads.tenants++
      return store.list(collection, page)
    },
  }
  const published = createPublished(new Map([[keyId, publicKey]]), fleet.fleet)
  const first = planBase({
    ...{ fleet, cells, overrides: [], tenants: [], current: null, epoch: 1, now: NOW, bounds: 'keep' },
  })
  assert.ok(first.ok)
  assert.ok(published.takeBase(JSON.stringify(signDocument(first.value.base, keyId, privateKey))).ok)
  return { store: counting, reads, planner: createBasePlanner({ fleet, published, now: () => NOW }) }
}

async function planOf({ store, planner }: Pick<ReturnType<typeof start>, 'store' | 'planner'>) {
  const planning = await planner.read(store, oneDrains)
  const plan = planning.plan({ cells: oneDrains, bounds: 'keep' })
  assert.ok(plan.ok)
  return { ...planning, base: plan.value.base }
}

const actions = async (store: StoreWriter) => (await store.list(AUDIT)).rows.map(({ value }) => value.action)

test('a change over the budget is refused without force, whoever asks for it', async () => {
  const { store, planner } = start()
  const { base, ...planning } = await planOf({ store, planner })
  const answers = [
    await planning.allow(base, CAUSE, 'drain'),
    await planning.answerFor(base, CAUSE, 'drain'),
    await planning.checkLeave(base),
    await planning.useLeave(base),
  ]
  for (const answer of answers) {
    assert.ok(!answer.ok)
    assert.deepEqual(
      answer.problems.map(({ code, path }) => [code, path]),
      [['BUDGET_EXCEEDED', 'budget.active_cells_min']],
    )
  }
  assert.deepEqual(await actions(store), [])
})

test('what is forced now is published a moment later, once, and says that it is forced', async () => {
  const { store, planner } = start()
  const asked = await planOf({ store, planner })
  assert.ok((await asked.allow(asked.base, { ...CAUSE, force: true }, 'drain')).ok)
  assert.deepEqual(await actions(store), ['topology.force'])
  const later = await planOf({ store, planner })
  assert.ok((await later.checkLeave(later.base)).ok, 'to look at a leave does not use it up')
  const used = await later.useLeave(later.base)
  assert.ok(used.ok && used.value.forced === true)
  assert.equal((await later.useLeave(later.base)).ok, false)
})

test('what is published by who forces it leaves no leave behind', async () => {
  const { store, planner } = start()
  const { base, answerFor } = await planOf({ store, planner })
  const answered = await answerFor(base, { ...CAUSE, force: true }, 'back to 1')
  assert.ok(answered.ok && answered.value.forced === true)
  assert.equal(await store.get(GRANTS, GRANT_KEY), undefined)
  assert.deepEqual(await actions(store), ['topology.force'])
})

test('a base within the budget is as it was planned, and nobody answers for it', async () => {
  const { store, planner } = start()
  const planning = await planner.read(store, cells)
  const plan = planning.plan({ cells, bounds: 'keep' })
  assert.ok(plan.ok)
  const answered = await planning.answerFor(plan.value.base, { ...CAUSE, force: true }, 'nothing')
  assert.deepEqual(answered, { ok: true, value: plan.value.base })
  assert.deepEqual(await actions(store), [])
})

test('all that plan share one look at the tenants', async () => {
  const { store, reads, planner } = start()
  await store.put(TENANTS, 'acme', { is_registered: true, requests: 5, recent: { requests: 5, at: NOW } })
  for (let change = 0; change < 3; change++) {
    const { base, excesses } = await planOf({ store, planner })
    await excesses(base)
  }
  assert.equal(reads.tenants, 1)
})
