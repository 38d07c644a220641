/** Quarantines from routers' reports to the overlay, and what operators do about them; a control plane on PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { RouterReport } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type ControlFixture, exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

type Figures = NonNullable<RouterReport['tenant_figures']>

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const QUIET: Figures = {
  window_ms: 10_000,
  cells: [0, 1].map((slot) => ({ slot, attempts: 500, errors: 0 })),
  errors: [],
  crashes: [],
  cost: [],
}

/** Tenants that fail whatever they ask, each in both cells. */
const failing = (...tenants: string[]): Figures => ({
  ...QUIET,
  cells: QUIET.cells.map((cell) => ({ ...cell, errors: 20 })),
  errors: tenants.map((tenant) => ({
    tenant,
    attempts: 40,
    errors: 40,
    cells: [0, 1].map((slot) => ({ slot, errors: 20 })),
  })),
})

const crashing = (tenant: string, slot: number): Figures => ({
  ...QUIET,
  crashes: [
    {
      tenant,
      attempts: 2,
      is_suspended: false,
      crashes: [{ slot, ms_ago: 1_000 * slot, sent_ms_before: 2 }],
    },
  ],
})

const overlayOf = async (fixture: ControlFixture) =>
  (await fixture.call('getOverlay', { role: 'router' })).body
const quarantined = async (fixture: ControlFixture): Promise<string[]> =>
  (await overlayOf(fixture)).quarantined.map(({ tenant }: { tenant: string }) => tenant)
const untilQuarantined = (fixture: ControlFixture, ...tenants: string[]) =>
  fixture.waitFor(
    `${tenants} in quarantine`,
    async () => String(await quarantined(fixture)) === String(tenants),
  )
const auditOf = async (fixture: ControlFixture, subject: string): Promise<string[]> =>
  (await fixture.call('listAudit')).body.entries
    .filter((entry: { subject: string }) => entry.subject === subject)
    .map(({ action, actor }: { action: string; actor: string }) => `${action} by ${actor}`)

test('a tenant whose requests fail is published as quarantined, outlives a restart, and is let out by an operator', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const router = fixture.startRouter('router-1')
  router.figures = failing('bad')
  await untilQuarantined(fixture, 'bad')
  const { body: listed } = await fixture.call('listQuarantines', { role: 'reader' })
  const [one] = listed.quarantines
  assert.deepEqual(
    [one.tenant, one.rule, one.mode, one.until, listed.next],
    ['bad', 'errors', 'divert', null, null],
  )
  assert.match(one.reason, /^40 of its 40 requests failed/)
  const { body: route } = await fixture.call('getTenantRoute', { params: { tenant: 'bad' } })
  assert.deepEqual([route.source, route.cells[0].id], ['quarantine', 'quarantine'])
  assert.equal((await overlayOf(fixture)).quarantined[0].rate_share, undefined)

  router.figures = QUIET
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor(
    'the control plane to lead with what was published',
    async () => fixture.control().isLeader() && (await fixture.call('getOverlay')).status === 200,
  )
  assert.deepEqual(await quarantined(fixture), ['bad'])

  // Routers still tell of the window before.
  router.figures = failing('bad')
  const released = await fixture.call('releaseTenant', {
    params: { tenant: 'bad' },
    query: { reason: 'they fixed it' },
  })
  assert.deepEqual([released.status, released.body.source], [200, 'table'])
  assert.deepEqual(await quarantined(fixture), [])
  assert.deepEqual(await auditOf(fixture, 'bad'), [
    'tenant.release by the admin',
    'tenant.quarantine by control plane',
  ])
  const again = await fixture.call('releaseTenant', { params: { tenant: 'bad' }, query: { reason: 'again' } })
  assert.equal(again.status, 404)
})

test('who stands out is told by errors, crashes and cost, of all routers together', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  fixture.startRouter('router-1').figures = crashing('poison', 0)
  const costly = { tenant: 'dear', attempts: 5, ms: 4_000, cells: [{ slot: 1, ms: 4_000 }] }
  fixture.startRouter('router-2').figures = { ...QUIET, cost: [costly] }
  const top = async (by: string) =>
    (await fixture.call('listTopTenants', { role: 'reader', query: { by } })).body.tenants
  await fixture.waitFor(
    'both reports',
    async () => (await top('cost')).length === 1 && (await top('crashes')).length === 1,
  )
  const [dear] = await top('cost')
  assert.deepEqual([dear.tenant, dear.cost_ms, dear.cells], ['dear', 4_000, ['cell-002']])
  assert.deepEqual(await top('errors'), [])
})

test('two crashes that two routers saw one each are enough', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  fixture.startRouter('router-1').figures = crashing('poison', 0)
  fixture.startRouter('router-2').figures = crashing('poison', 1)
  await untilQuarantined(fixture, 'poison')
})

test('an operator quarantines whom he likes, by name as requests have it, and needs a reason', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const put = (body: object) => fixture.call('quarantineTenant', { params: { tenant: 'acme' }, body })
  assert.equal((await put({})).status, 400)
  const { status, body } = await put({ reason: 'it floods us' })
  assert.deepEqual([status, body.source], [200, 'quarantine'])
  assert.deepEqual(await quarantined(fixture), ['acme'])
  assert.equal((await fixture.call('listQuarantines')).body.quarantines[0].rule, 'operator')
  const reader = { role: 'reader', params: { tenant: 'acme' }, query: { reason: 'mine' } } as const
  assert.equal((await fixture.call('releaseTenant', reader)).status, 403)
})

test('a rule that wants too many at once is frozen and says so, and adds nobody', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  fixture.startRouter('router-1').figures = failing('t1', 't2')
  await fixture.waitFor('the freeze', async () => {
    const { automation } = await fixture.status()
    return automation.is_frozen && /quarantine by errors: it would put 2 tenants/.test(automation.reason)
  })
  assert.deepEqual(await quarantined(fixture), [])
})

test('in a stateful fleet a tenant is throttled at home', async (t) => {
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ kind: 'stateful' }))
  await fixture.startFleet()
  fixture.startRouter('router-1').figures = failing('bad')
  await untilQuarantined(fixture, 'bad')
  assert.equal((await overlayOf(fixture)).quarantined[0].rate_share, 0.1)
  assert.equal((await fixture.call('listQuarantines')).body.quarantines[0].mode, 'throttle')
  const { body: route } = await fixture.call('getTenantRoute', { params: { tenant: 'bad' } })
  assert.notEqual(route.source, 'quarantine')
})

test('on probation a tenant is let out when its time is over and it is quiet', async (t) => {
  const fleet = exampleFleet({ quarantine: { release: 'probation', probation_seconds: 1 } })
  const fixture = await createFixtureFor(t, postgres, fleet)
  await fixture.startFleet()
  const router = fixture.startRouter('router-1')
  router.figures = failing('bad')
  await untilQuarantined(fixture, 'bad')
  router.figures = QUIET
  await untilQuarantined(fixture)
  assert.deepEqual(await auditOf(fixture, 'bad'), [
    'tenant.release by control plane',
    'tenant.quarantine by control plane',
  ])
})
