/** The budget, the leave to exceed it, and the way back to a former placement, as the API gives them. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type ControlFixture, exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const FORCER = 'forcer-token-0123456789'

/** One whose operators have, beside the admin's token, one that may force. */
async function fixtureWithForcer(t: Parameters<typeof createFixtureFor>[0], fleet = exampleFleet()) {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const file = fixture.file('forcer.token')
  await writeFile(file, `${FORCER}\n`)
  fixture.configFile.tokens.push({ role: 'admin', name: 'the forcer', token_file: file, may_force: true })
  return fixture
}

const audited = async (fixture: ControlFixture, action: string) =>
  (await fixture.call('listAudit')).body.entries.filter((one: { action: string }) => one.action === action)

test('a change over budget is refused with what exceeds it; who may force it does, and that base says so', async (t) => {
  const fixture = await fixtureWithForcer(t, exampleFleet({ budget: { active_cells_min: 4 } }))
  await fixture.startFleet()
  const drain = (body: object, token?: string) =>
    fixture.call('drainCell', { params: { cell: 'cell-001' }, body, ...(token ? { token } : {}) })

  const refused = await drain({ reason: 'disk' })
  assert.deepEqual([refused.status, refused.body.code], [409, 'BUDGET_EXCEEDED'])
  assert.equal(refused.body.problems[0].path, 'budget.active_cells_min')
  assert.match(refused.body.detail, /3 cells are active afterwards; the budget asks for 4; .*--force/)
  assert.equal((await fixture.cell('cell-001')).state, 'active')

  const forbidden = await drain({ reason: 'disk', force: true })
  assert.deepEqual([forbidden.status, forbidden.body.code], [403, 'FORBIDDEN'])
  assert.match(forbidden.body.detail, /"the admin" may not exceed/)
  assert.equal((await drain({ force: true }, FORCER)).status, 400, 'a reason is needed')

  const forced = await drain({ reason: 'disk is failing', force: true }, FORCER)
  assert.equal(forced.body.state, 'draining')
  const { body: base } = await fixture.call('getBase')
  assert.deepEqual([base.version, base.forced, base.limits.budget.active_cells_min], [2, true, 4])
  const [entry] = await audited(fixture, 'topology.force')
  assert.deepEqual([entry.actor, entry.reason], ['the forcer', 'disk is failing'])
  assert.match(entry.subject, /drain cell-001: 3 cells are active/)

  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  const { body: next } = await fixture.call('getBase')
  assert.deepEqual([next.version, next.forced], [3, undefined], 'the leave was for one base')
})

test('what the fleet file asks for beyond the budget is held back, told, and published when it is forced', async (t) => {
  const fixture = await fixtureWithForcer(t)
  await fixture.startFleet()
  const force = (token?: string) =>
    fixture.call('forceTopology', { body: { reason: 'new machines' }, ...(token ? { token } : {}) })
  assert.match((await force(FORCER)).body.detail, /nothing is held back/)
  const before = (await fixture.call('getBase')).body
  await fixture.stop()
  // Two of four are to take no tenants any more: more at once than the budget's quarter.
  const list = [1, 2, 3, 4].map((n) => ({ id: `cell-00${n}`, weight: n <= 2 ? 0 : 10 }))
  await fixture.writeFleet(exampleFleet({ cells: { list, retention_hours: 1 } }))
  await fixture.start()
  const { automation } = await fixture.waitFor('the refusal', async () => {
    const status = await fixture.status()
    return status.automation.is_frozen ? status : undefined
  })
  assert.match(automation.reason, /2 of 4 cells lose all of their tenants at once \(cell-001, cell-002\)/)
  assert.equal((await fixture.call('getBase')).body.version, before.version)
  assert.equal((await force()).status, 403)
  const { body } = await force(FORCER)
  assert.match(body.exceeded[0], /2 of 4 cells/)
  const { body: base } = await fixture.call('getBase')
  assert.deepEqual([base.version, base.forced], [before.version + 1, true])
  assert.equal((await fixture.status()).automation.is_frozen, false)
})

test('a rollback brings the placement back and leaves what the registry says', async (t) => {
  const fixture = await fixtureWithForcer(t)
  await fixture.startFleet()
  const first = (await fixture.call('getBase')).body
  await fixture.call('addCell', { body: {} })
  await fixture.startCell('cell-005', 5)
  await fixture.waitFor('the fifth cell', async () => (await fixture.call('getBase')).body.version === 2)
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-005'], reason: 'x' } })

  const back = (version: number) =>
    fixture.call('rollbackTopology', { params: { version }, body: { reason: 'cell-005 is slow' } })
  const done = await back(1)
  assert.deepEqual([done.status, done.body.version, done.body.of], [200, 4, 1])
  assert.ok(done.body.kept.includes('cell cell-005 is new'), done.body.kept)
  const { body: base } = await fixture.call('getBase')
  assert.equal(base.table, first.table)
  assert.equal(base.overrides[0].tenant, 'acme', 'a pin that was made since stays')
  assert.ok(
    base.former_tables.some((one: { version: number }) => one.version === 3),
    'records are still found',
  )
  assert.equal((await audited(fixture, 'topology.rollback'))[0].subject, 'base 3, back to 1')

  const again = await back(1)
  assert.deepEqual([again.status, again.body.code], [409, 'CONFLICT'])
  assert.match(again.body.detail, /places tenants as version 4 does/)
  assert.match((await back(99)).body.detail, /version 99 is not kept; kept are 1–4/)
  await fixture.call('drainCell', { params: { cell: 'cell-001' }, body: { reason: 'x' } })
  assert.match((await back(2)).body.detail, /places tenants on "cell-001" \(draining\).*cell undrain/)
})
