/** Placement under change as the API gives it: settings, zones, and plans that are read before they are applied. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { decodeTable } from '@cellplane/contract'
import type { PlacementPlan } from '@cellplane/contract/api'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type ControlFixture, exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

/** Wide enough that what these small fleets do is no news to it. */
const WIDE = { cells_out_share: 1, moved_share: 1, moved_homes_share: 1, cell_factor: 100, pair_factor: 1000 }

async function fleetOf(t: Parameters<typeof createFixtureFor>[0], fleet = exampleFleet({ budget: WIDE })) {
  const fixture = await createFixtureFor(t, postgres, fleet)
  await fixture.startFleet()
  return fixture
}

const base = async (fixture: ControlFixture) => (await fixture.call('getBase')).body

const slotsOf = ({
  table,
  hash,
  shard_size,
}: {
  table: string
  hash: { buckets: number }
  shard_size: number
}) => {
  const slots = decodeTable(table, hash.buckets, shard_size)
  assert.ok(slots.ok)
  return slots.value
}

const set = (fixture: ControlFixture, cell: string, wish: object) =>
  fixture.call('setCell', { params: { cell }, body: { reason: 'a larger machine', ...wish } })

const plan = (fixture: ControlFixture, body: object) => fixture.call('planPlacement', { body })
const apply = (fixture: ControlFixture, id: string | null) =>
  fixture.call('applyPlacement', { params: { plan: id! }, body: { reason: 'as was read' } })

test('a weight and a bound are set while the fleet runs, and stay until the file says something new', async (t) => {
  const fixture = await fleetOf(t)
  const places = async (slot: number) => slotsOf(await base(fixture)).filter((one) => one === slot).length
  const had = await places(0)

  const heavy = await set(fixture, 'cell-001', { weight: 90 })
  assert.deepEqual([heavy.status, heavy.body.code], [409, 'PLAN_REFUSED'])
  assert.match(heavy.body.detail, /weight 90 of 120 in all; .* at most 1\/2, so lower it to/)

  const done = await set(fixture, 'cell-001', { weight: 5, capacity: { in_flight: 50 } })
  assert.deepEqual([done.status, done.body.weight, done.body.capacity.in_flight], [200, 5, 50])
  assert.ok((await places(0)) < had)
  const { entries } = (await fixture.call('listAudit')).body
  const entry = entries.find((one: { action: string }) => one.action === 'cell.set')
  assert.deepEqual(
    [entry.subject, entry.reason],
    ['cell-001: weight 10 → 5, in_flight none → 50', 'a larger machine'],
  )
  assert.equal((await set(fixture, 'cell-001', {})).status, 409)
  assert.equal((await set(fixture, 'quarantine', { weight: 5 })).status, 409)

  await fixture.stop()
  await fixture.start()
  await fixture.waitFor(
    'the weight to be there again',
    async () => (await fixture.cell('cell-001')).weight === 5,
  )
  await fixture.stop()
  await fixture.writeFleet(
    exampleFleet({ budget: WIDE, cells: { count: 4, weight: 20, retention_hours: 1 } }),
  )
  await fixture.start()
  await fixture.waitFor('the file’s new word', async () => (await fixture.cell('cell-001')).weight === 20)
})

test('bounds on tenants are set one by one until they cannot be kept, and those that were taken are kept', async (t) => {
  const fixture = await fleetOf(t)
  const ids = ['cell-001', 'cell-002', 'cell-003', 'cell-004']
  for (let i = 0; i < 12; i++) await fixture.call('registerTenant', { body: { tenant: `tenant-${i}` } })
  const bounded: string[] = []
  const refused: string[] = []
  for (const id of ids) {
    const { status, body } = await set(fixture, id, { capacity: { tenants: 5 } })
    if (status === 200) bounded.push(id)
    else refused.push(body.detail)
  }
  // Twelve tenants with two cells each need room for 24, and four times five is 20.
  assert.ok(bounded.length > 0 && refused.length > 0)
  for (const why of refused) assert.match(why, /capacity\.tenants/)
  const { tenants } = (await fixture.call('listTenants', { query: { limit: 100 } })).body
  for (const id of bounded) {
    const count = tenants.filter((one: { cells: string[] }) => one.cells.includes(id)).length
    assert.ok(count <= 5, `${id} has ${count} tenants`)
  }
})

test('a rebalancing is read first, and applied is what was read', async (t) => {
  const fixture = await fleetOf(t)
  const router = fixture.startRouter('router-1')
  const empty: PlacementPlan = (await plan(fixture, { kind: 'rebalance' })).body
  assert.deepEqual([empty.plan, empty.notes.length], [null, 1])

  // All traffic is of tenants whose home is cell-001.
  const slots = slotsOf(await base(fixture))
  for (let i = 0; i < 60; i++) await fixture.call('registerTenant', { body: { tenant: `tenant-${i}` } })
  const { tenants } = (await fixture.call('listTenants', { query: { limit: 100 } })).body
  const hot = tenants.filter((one: { cells: string[] }) => one.cells[0] === 'cell-001')
  assert.ok(hot.length > 3)
  router.tenants = hot.map(({ tenant }: { tenant: string }) => ({ tenant, requests: 10, errors: 0 }))
  await fixture.waitFor('the traffic to be known', async () => {
    const known = (await fixture.call('listTenants', { query: { limit: 100 } })).body.tenants
    return hot.every((one: { tenant: string }) =>
      known.some(
        (two: { tenant: string; requests: number }) => two.tenant === one.tenant && two.requests > 0,
      ),
    )
  })
  router.tenants = []

  const made: PlacementPlan = (await plan(fixture, { kind: 'rebalance' })).body
  assert.ok(made.plan, JSON.stringify(made))
  const first = made.cells.find((cell) => cell.id === 'cell-001')!
  assert.ok(first.load_before! > 0.9 && first.load_after! < first.load_before!)
  assert.ok(made.tenants.count > 0 && made.tenants.named.length === made.tenants.count)
  assert.ok(made.moved.places > 0 && made.moved.homes > 0 && made.traffic_share! > 0)
  assert.deepEqual(slotsOf(await base(fixture)), slots, 'a plan moves nobody')

  assert.equal((await apply(fixture, 'another')).status, 404)
  const done = await apply(fixture, made.plan)
  assert.equal(done.status, 200, JSON.stringify(done.body))
  const now = await base(fixture)
  assert.equal(now.version, done.body.version)
  const moved = slotsOf(now).filter((slot, place) => slot !== slots[place]).length
  assert.equal(moved, made.moved.places)
  assert.equal(now.former_tables.length, 1, 'records are still found')
  assert.equal((await apply(fixture, made.plan)).status, 404, 'a plan is for once')

  // What was placed stays when the next thing changes.
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  assert.equal((await base(fixture)).table, now.table)
})

test('a cell is split into one without places, and merged away; a plan of another inventory is refused', async (t) => {
  const fixture = await fleetOf(t)
  await fixture.call('addCell', { body: { weight: 0 } })
  await fixture.startCell('cell-005', 5)
  await fixture.waitFor('cell-005', async () => (await fixture.cell('cell-005')).state === 'active')
  const before = slotsOf(await base(fixture))
  assert.ok(!before.includes(5), 'a cell of weight 0 has no places')

  const wrong = await plan(fixture, { kind: 'split', cell: 'cell-001', into: 'cell-002' })
  assert.match(wrong.body.detail, /"cell-002" has places already \(weight 10\); .*cell add --weight 0/)
  const split: PlacementPlan = (await plan(fixture, { kind: 'split', cell: 'cell-001', into: 'cell-005' }))
    .body
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  const stale = await apply(fixture, split.plan)
  assert.deepEqual([stale.status, stale.body.code], [409, 'CONFLICT'])
  assert.match(stale.body.detail, /changed since plan/)

  const again: PlacementPlan = (await plan(fixture, { kind: 'split', cell: 'cell-001', into: 'cell-005' }))
    .body
  assert.equal((await apply(fixture, again.plan)).status, 200)
  const table = slotsOf(await base(fixture))
  for (const [place, slot] of before.entries()) {
    if (table[place] !== slot) assert.deepEqual([slot, table[place]], [0, 5])
  }
  const [one, two] = [await fixture.cell('cell-001'), await fixture.cell('cell-005')]
  assert.ok(Math.abs(one.weight - 5) < 1 && Math.abs(two.weight - 5) < 1, `${one.weight} and ${two.weight}`)

  const merge: PlacementPlan = (await plan(fixture, { kind: 'merge', cell: 'cell-005', into: 'cell-001' }))
    .body
  assert.ok(merge.plan, JSON.stringify(merge))
  assert.deepEqual(
    merge.cells.filter((cell) => cell.drains).map((cell) => cell.id),
    ['cell-005'],
  )
  assert.equal((await apply(fixture, merge.plan)).status, 200)
  assert.ok(!slotsOf(await base(fixture)).includes(5))
  assert.notEqual((await fixture.cell('cell-005')).state, 'active')
})

test('a zone is evacuated at once and restored; who drained by himself stays out', async (t) => {
  const cells = { count: 6, zones: ['a', 'b', 'c'], retention_hours: 1 }
  const fixture = await createFixtureFor(
    t,
    postgres,
    exampleFleet({ budget: { ...WIDE, cells_out_share: 0.25 }, cells }),
  )
  const file = fixture.file('forcer.token')
  const token = 'forcer-token-0123456789'
  await writeFile(file, `${token}\n`)
  fixture.configFile.tokens.push({ role: 'admin', name: 'the forcer', token_file: file, may_force: true })
  await fixture.startFleet(6)
  const zone = (name: 'evacuateZone' | 'restoreZone', of: string, more: object = {}) =>
    fixture.call(name, { params: { zone: of }, body: { reason: 'fire', ...more }, token })

  assert.match(
    (await zone('evacuateZone', 'z')).body.detail,
    /no serving cell of zone "z" .* zones are a, b, c/,
  )
  const over = await zone('evacuateZone', 'a')
  assert.deepEqual([over.status, over.body.code], [409, 'BUDGET_EXCEEDED'])
  const done = await zone('evacuateZone', 'a', { force: true })
  assert.equal(done.status, 200, JSON.stringify(done.body))
  assert.deepEqual(done.body.cells, ['cell-001', 'cell-004'])
  assert.match(done.body.capacity, /4 cells that are left/)
  const table = slotsOf(await base(fixture))
  assert.ok(!table.includes(0) && !table.includes(3))
  assert.ok(
    (await base(fixture)).cells.some((cell: { id: string }) => cell.id === 'cell-001'),
    'it still answers',
  )

  const back = await zone('restoreZone', 'a', { force: true })
  assert.deepEqual([back.status, back.body.cells], [200, ['cell-001', 'cell-004']])
  assert.ok(slotsOf(await base(fixture)).includes(0))
  assert.equal((await zone('restoreZone', 'a')).status, 409)

  await fixture.call('drainCell', { params: { cell: 'cell-001' }, body: { reason: 'disk' } })
  assert.deepEqual((await zone('evacuateZone', 'a', { force: true })).body.cells, ['cell-004'])
  assert.deepEqual((await zone('restoreZone', 'a', { force: true })).body.cells, ['cell-004'])
  assert.notEqual((await fixture.cell('cell-001')).state, 'active')

  await zone('evacuateZone', 'c', { force: true })
  const tooFew = (await zone('evacuateZone', 'b', { force: true })).body.detail
  assert.match(tooFew, /zone "b" has 2 of the 3 active cells; 1 would be left, and shards have 2/)
})

test('a cell that a tenant had by a pin stays reachable by its ids when the pin is off', async (t) => {
  const fixture = await fleetOf(t)
  const route = async () => (await fixture.call('getTenantRoute', { params: { tenant: 'acme' } })).body
  const own = (await route()).cells.map((cell: { id: string }) => cell.id)
  const other = ['cell-001', 'cell-002', 'cell-003', 'cell-004'].find((id) => !own.includes(id))!
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: [other], reason: 'x' } })
  assert.equal((await route()).cells[0].id, other)
  assert.equal((await fixture.call('unpinTenant', { params: { tenant: 'acme' } })).status, 200)
  const after = await route()
  assert.deepEqual([after.cells.map((cell: { id: string }) => cell.id), after.former_cells], [own, [other]])
  const { former_overrides: former } = await base(fixture)
  assert.deepEqual(
    former.map((one: { tenant: string }) => one.tenant),
    ['acme'],
  )
})

test('what a tenant left in the quarantine cell stays reachable when it is let out', async (t) => {
  const fixture = await fleetOf(t)
  const of = { params: { tenant: 'acme' } }
  await fixture.call('quarantineTenant', { ...of, body: { reason: 'crashes' } })
  assert.deepEqual(
    (await fixture.call('getTenantRoute', of)).body.cells.map((cell: { id: string }) => cell.id),
    ['quarantine'],
  )
  await fixture.call('releaseTenant', { ...of, query: { reason: 'fixed' } })
  assert.deepEqual((await fixture.call('getTenantRoute', of)).body.former_cells, ['quarantine'])
})

test('a plan whose base the first router does not bear is taken back with its weights and its drain', async (t) => {
  const fixture = await fleetOf(t, exampleFleet({ budget: WIDE, topology: { watch_seconds: 0.3 } }))
  const [first] = [fixture.startRouter('router-1'), fixture.startRouter('router-2')]
  await fixture.waitFor('both routers', async () => {
    const { routers } = await fixture.status()
    return routers.length === 2 && routers.every((one: { base: unknown }) => one.base)
  })
  const { table } = await base(fixture)
  first.holdBack = true
  const merge: PlacementPlan = (await plan(fixture, { kind: 'merge', cell: 'cell-004', into: 'cell-001' }))
    .body
  assert.equal((await apply(fixture, merge.plan)).status, 200)
  assert.equal((await fixture.cell('cell-004')).state, 'draining')
  first.refused = 1
  first.lastRefusal = 'base from origin: no reason to speak of'
  await fixture.waitFor('the halt', async () => (await fixture.status()).automation.is_frozen)
  const [from, into] = [await fixture.cell('cell-004'), await fixture.cell('cell-001')]
  assert.deepEqual([from.state, from.weight, into.weight], ['active', 10, 10])
  first.holdBack = false
  await fixture.call('resumeTopology', { body: { reason: 'it was the router' } })
  await fixture.waitFor('the end', async () => !(await fixture.status()).automation.is_frozen)
  assert.equal((await base(fixture)).table, table)
})
