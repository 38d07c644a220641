/** Health marks end to end: a control plane on PostgreSQL, cells that answer, routers that report. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { deriveRouterSecret, type RouterReport } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type ControlFixture, exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'
import { AUTOMATION_ORDER, AUTOMATION_ORDER_KEY } from '../store/collections.ts'
import { createHealthMarks } from './health-marks.ts'

let postgres: TestPostgres
before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const marks = async (fixture: ControlFixture): Promise<number[]> =>
  (await fixture.call('getOverlay')).body.unhealthy.map((mark: { slot: number }) => mark.slot)
const automation = async (fixture: ControlFixture) => (await fixture.status()).automation

/** Requests that succeed at every cell, as many a report. */
function serveAll(fixture: ControlFixture, slots: readonly number[]): void {
  const router = fixture.startRouter('router-1')
  let requests = 0
  Object.defineProperty(router, 'cells', {
    get(): RouterReport['cells'] {
      requests += 20
      const zeros = { errors: 0, connect_failures: 0, in_flight: 0, is_ejected: false }
      return slots.map((slot) => ({ slot, requests, ...zeros }))
    },
  })
}

test('a monitor that lies is not believed while requests succeed: nothing is marked, and the freeze ends by itself', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  serveAll(fixture, [0, 1, 2, 3])
  const lying = [1, 2, 3].map((n) => fixture.cells.get(`cell-00${n}`)!)
  lying[0]!.isHealthy = false
  await fixture.waitFor('a doubt', async () => (await fixture.cell('cell-001')).health === 'suspect')
  assert.match(
    (await fixture.cell('cell-001')).health_reason,
    /answered 503, though requests of routers succeed/,
  )
  for (const cell of lying) cell.isHealthy = false
  await fixture.waitFor('the freeze', async () => (await automation(fixture)).is_frozen)
  assert.match(
    (await automation(fixture)).reason,
    /3 of 4 cells look unhealthy.* at 3 of them .*says otherwise; the monitor is presumed wrong/,
  )
  assert.deepEqual(await marks(fixture), [])
  const metrics = await (await fetch(`${fixture.url()}/metrics`)).text()
  assert.match(metrics, /cellplane_cell_health\{cell="cell-002",verdict="suspect"\} 1/)
  assert.match(metrics, /cellplane_cell_health\{cell="cell-002",verdict="unhealthy"\} 0/)
  for (const cell of lying) cell.isHealthy = true
  await fixture.waitFor('the thaw', async () => !(await automation(fixture)).is_frozen)
  assert.deepEqual(await marks(fixture), [])
})

test('an operator freezes what is marked and what is not, and thaws it; both are in the audit trail', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const [first, second] = [fixture.cells.get('cell-001')!, fixture.cells.get('cell-002')!]
  first.isHealthy = false
  await fixture.waitFor('the mark', async () => (await marks(fixture)).join() === '0')
  const frozen = await fixture.call('freezeAutomation', { body: { reason: 'maintenance' } })
  assert.equal(frozen.status, 200)
  assert.match(frozen.body.reason, /^frozen by the admin at .*: maintenance; .*cellplane automation thaw/)
  first.isHealthy = true
  second.isHealthy = false
  await fixture.waitFor('both to be seen', async () => {
    const [one, two] = [await fixture.cell('cell-001'), await fixture.cell('cell-002')]
    return one.health === 'healthy' && two.health === 'unhealthy'
  })
  assert.deepEqual(await marks(fixture), [0])
  const thawed = await fixture.call('thawAutomation', { body: { reason: 'done' } })
  assert.deepEqual(thawed.body, { is_frozen: false, reason: '', problems: [] })
  await fixture.waitFor('what is seen to be marked', async () => (await marks(fixture)).join() === '1')
  const actions = (await fixture.call('listAudit')).body.entries
    .filter((entry: { subject: string }) => entry.subject === 'automation')
    .map((entry: { action: string; actor: string; reason: string }) => [
      entry.action,
      entry.actor,
      entry.reason,
    ])
  assert.deepEqual(actions, [
    ['automation.thaw', 'the admin', 'done'],
    ['automation.freeze', 'the admin', 'maintenance'],
  ])
  assert.equal(
    (await fixture.call('freezeAutomation', { role: 'reader', body: { reason: 'x' } })).status,
    403,
  )
})

test('an operator who thaws an automatic freeze is believed', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  for (const n of [1, 2, 3]) fixture.cells.get(`cell-00${n}`)!.isHealthy = false
  await fixture.waitFor('the freeze', async () => (await automation(fixture)).is_frozen)
  assert.deepEqual(await marks(fixture), [])
  await fixture.call('thawAutomation', { body: { reason: 'three hosts lost power' } })
  await fixture.waitFor('the marks', async () => (await marks(fixture)).join() === '0,1,2')
  assert.equal((await automation(fixture)).is_frozen, false)
})

test('a cell that takes no real write is marked, whatever its health path says', async (t) => {
  const synthetic = { path: '/v1/things', body: { name: 'probe' }, expect_status: 202, interval_ms: 100 }
  const health = { interval_ms: 100, timeout_ms: 2000, unhealthy_after: 3, healthy_after: 2, synthetic }
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ health }))
  await fixture.startFleet()
  const cell = fixture.cells.get('cell-001')!
  const written = (await fixture.waitFor('a write', () => cell.lastWrite)) ?? {}
  assert.equal(written['cellplane-tenant'], 'cellplane-synthetic-cell-001')
  assert.equal(
    written['cellplane-secret'],
    deriveRouterSecret('router-key-0123456789abcdef', 'test', 'cell-001'),
  )
  cell.writeStatus = 500
  await fixture.waitFor('the mark', async () => (await marks(fixture)).join() === '0')
  assert.equal((await fixture.cell('cell-001')).health_reason, 'a real write: answered 500, expected 202')
  assert.ok(cell.isHealthy)
})

/** No cell is planned for. */
const NO_BASE = { snapshot: { indexOfSlot: () => -1 } }

test('the end of a thaw takes no freeze away that was ordered meanwhile', async () => {
  const store = createMemoryStore()
  const order = (mode: 'thawed' | 'frozen', at: number) =>
    store.put(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY, {
      ...{ mode, actor: 'the admin', reason: 'x', at: new Date(at).toISOString() },
    })
  let meanwhile = async () => {}
  const marks = createHealthMarks({
    fleet: exampleFleet(),
    store: {
      get: store.get,
      async write(change) {
        await meanwhile()
        return store.write(change)
      },
    },
    observations: {
      healthOf: () => assert.fail('there are no cells'),
      inheritMark: () => {},
      steadyNow: () => 0,
    },
    automation: { report: () => {} },
    now: () => 3_600_000,
  })
  const mode = async () => (await store.get(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY))?.mode
  await order('thawed', 0)
  meanwhile = () => order('frozen', 3_600_000)
  await marks.plan([], NO_BASE, null)
  assert.equal(await mode(), 'frozen')
  meanwhile = async () => {}
  await order('thawed', 0)
  await marks.plan([], NO_BASE, null)
  assert.equal(await mode(), undefined)
})
