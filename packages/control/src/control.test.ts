/** The control plane as a whole, in good times: what it decides by what it is told and what it sees. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { keyIdOf, parseTopologyBase, privateKeyFromPem, verifyDocument } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { exampleFleet, pathsOf } from './fixtures/control-fixture.ts'
import { createFixtureFor } from './fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('declared cells become active together, and the first base is signed and published everywhere', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const { body: base } = await fixture.call('getBase', { role: 'router' })
  const parsed = parseTopologyBase(base)
  assert.ok(parsed.ok)
  const key = privateKeyFromPem(await readFile(fixture.file('topology.key.pem'), 'utf8'))
  assert.ok(verifyDocument(parsed.value, new Map([[keyIdOf(key), createPublicKey(key)]])).ok)
  assert.deepEqual([base.epoch, base.version], [1, 1], 'four cells, one placement')
  assert.deepEqual(
    base.cells.map((cell: { id: string }) => cell.id),
    ['cell-001', 'cell-002', 'cell-003', 'cell-004', 'quarantine'],
  )
  assert.equal(base.quarantine.cell, 4)
  await fixture.waitFor(
    'the file',
    async () => (await readFile(fixture.file('published/base.json'), 'utf8')) === JSON.stringify(base),
  )
})

test('a cell that is added is placed when it serves, and one that is drained empties', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const router = fixture.startRouter('router-1')

  const added = await fixture.call('addCell', { body: {} })
  assert.equal(added.status, 200)
  assert.deepEqual([added.body.id, added.body.slot, added.body.state], ['cell-005', 5, 'provisioning'])
  const order = (await fixture.call('getHostOrder', { role: 'host', params: { host: 'local' } })).body
  assert.equal(order.cells.find((cell: { id: string }) => cell.id === 'cell-005').wanted, 'running')
  await fixture.startCell('cell-005', 5)
  await fixture.waitFor('the new cell', async () => (await fixture.cell('cell-005')).state === 'active')
  await fixture.waitFor('the base with it', async () => (await fixture.status()).base.version === 2)

  const cell = fixture.cells.get('cell-005')!
  cell.holdings = { undelivered: 3, retained: 7, retained_until: null }
  await fixture.waitFor('holdings', async () => (await fixture.cell('cell-005')).holdings?.undelivered === 3)
  router.holdBack = true
  const params = { cell: 'cell-005' }
  const drained = await fixture.call('drainCell', { params, body: { reason: 'too many' } })
  assert.equal(drained.body.state, 'draining')
  const { body: base } = await fixture.call('getBase')
  assert.equal(base.version, 3)
  assert.equal(base.cells.find((one: { id: string }) => one.id === 'cell-005').state, 'draining')
  assert.equal(base.former_tables.length, 2)

  const early = await fixture.call('retireCell', { params, body: { reason: 'now' } })
  assert.deepEqual([early.status, early.body.code], [409, 'CONFLICT'])
  await fixture.waitFor('what it waits for, in words', async () => {
    const { problem } = await fixture.cell('cell-005')
    return /older topology/.test(problem) && /3 pieces of undelivered work/.test(problem)
  })
  router.holdBack = false
  cell.holdings = { undelivered: 0, retained: 7, retained_until: null }
  await fixture.waitFor(
    'the cell to be drained',
    async () => (await fixture.cell('cell-005')).state === 'drained',
  )

  cell.holdings = { undelivered: 1, retained: 7, retained_until: null }
  await fixture.waitFor('holdings', async () => (await fixture.cell('cell-005')).holdings?.undelivered === 1)
  const withWork = await fixture.call('retireCell', { params, body: { reason: 'now', force: true } })
  assert.equal(withWork.body.code, 'CELL_HOLDS_WORK', 'not even by force')
  cell.holdings = { undelivered: 0, retained: 7, retained_until: null }
  await fixture.waitFor('holdings', async () => (await fixture.cell('cell-005')).holdings?.undelivered === 0)
  const withData = await fixture.call('retireCell', { params, body: { reason: 'now' } })
  assert.equal(withData.body.code, 'CELL_HOLDS_DATA')
  cell.holdings = null
  await fixture.waitFor('holdings', async () => (await fixture.cell('cell-005')).holdings === null)
  const unknown = await fixture.call('retireCell', { params, body: { reason: 'now' } })
  assert.equal(unknown.body.code, 'CELL_HOLDINGS_UNKNOWN')
  const retired = await fixture.call('retireCell', { params, body: { reason: 'now', force: true } })
  assert.equal(retired.body.state, 'retired')

  const last = (await fixture.call('getHostOrder', { role: 'host', params: { host: 'local' } })).body
  assert.equal(last.cells.find((one: { id: string }) => one.id === 'cell-005').wanted, 'stopped')
  const next = await fixture.call('addCell', { body: {} })
  assert.deepEqual([next.body.id, next.body.slot], ['cell-006', 6], 'neither id nor slot is given again')
  const audit = (await fixture.call('listAudit')).body.entries
  assert.deepEqual(
    audit
      .filter((entry: { subject: string }) => entry.subject === 'cell-005')
      .map((entry: { action: string; actor: string }) => [entry.action, entry.actor])
      .reverse(),
    [
      ['cell.add', 'the admin'],
      ['cell.ready', 'control plane'],
      ['cell.activate', 'control plane'],
      ['cell.drain', 'the admin'],
      ['cell.drained', 'control plane'],
      ['cell.retire', 'the admin'],
    ],
  )
})

test('a drain is refused when shards would not fit any more, and undone by undrain', async (t) => {
  const fixture = await createFixtureFor(
    t,
    postgres,
    exampleFleet({ cells: { count: 3, retention_hours: 1 } }),
  )
  await fixture.startFleet(3)
  const body = { reason: 'test' }
  const before = (await fixture.call('getBase')).body
  assert.equal((await fixture.call('drainCell', { params: { cell: 'cell-001' }, body })).status, 200)
  const refused = await fixture.call('drainCell', { params: { cell: 'cell-002' }, body })
  assert.deepEqual([refused.status, refused.body.code], [409, 'CONFLICT'])
  assert.match(refused.body.detail, /2 active cells, and shards have 2/)
  const back = await fixture.call('undrainCell', { params: { cell: 'cell-001' }, body })
  assert.equal(back.body.state, 'active')
  const after = (await fixture.call('getBase')).body
  assert.equal(after.version, before.version + 2)
  assert.ok(after.former_tables.length >= 1)
  assert.equal((await fixture.call('drainCell', { params: { cell: 'nobody' }, body })).status, 404)
})

test('two cells on one store: the later one is never placed', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  await fixture.call('addCell', { body: {} })
  const cell = await fixture.startCell('cell-005', 5)
  cell.stores = [{ kind: 'postgres', location: 'elsewhere:5432/app', identity: 'system-1/app' }]
  await fixture.waitFor('the refusal, in words', async () => {
    const { problem, state } = await fixture.cell('cell-005')
    return state === 'provisioning' && /named system-1\/app, which is cell "cell-002"'s/.test(problem)
  })
  const byUrl = await fixture.call('addCell', { body: { database_url: 'postgres://u:p@127.0.0.1:7510/app' } })
  assert.deepEqual([byUrl.status, byUrl.body.code], [409, 'STORES_SHARED'])
  assert.equal((await fixture.status()).base.version, 1)
})

test('an unhealthy cell is marked; most of them at once are not believed', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const cell = (n: number) => fixture.cells.get(`cell-00${n}`)!
  cell(2).isHealthy = false
  const marks = async () =>
    (await fixture.call('getOverlay')).body.unhealthy.map((mark: { slot: number }) => mark.slot)
  await fixture.waitFor('the mark', async () => (await marks()).join() === '1')
  assert.equal((await fixture.cell('cell-002')).health_reason, 'answered 503')
  cell(1).isHealthy = false
  cell(3).isHealthy = false
  await fixture.waitFor('the freeze', async () => (await fixture.status()).automation.is_frozen)
  assert.match((await fixture.status()).automation.reason, /3 of 4 cells look unhealthy.*presumed wrong/)
  await fixture.waitFor('the marks to go', async () => (await marks()).length === 0)
  for (const n of [1, 2, 3]) cell(n).isHealthy = true
  await fixture.waitFor('the end of the freeze', async () => !(await fixture.status()).automation.is_frozen)
  assert.equal((await fixture.status()).base.version, 1, 'health never moves a tenant')
})

test('a cell that routers see fail is taken out, whatever its health path says', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const router = fixture.startRouter('router-1')
  const counters = { slot: 0, requests: 0, errors: 0, connect_failures: 0, in_flight: 0, is_ejected: false }
  router.cells = [counters]
  await fixture.waitFor('the mark', async () => {
    counters.requests += 10
    counters.errors += 8
    return (await fixture.call('getOverlay')).body.unhealthy[0]?.slot === 0
  })
  assert.match(
    (await fixture.cell('cell-001')).health_reason,
    /^routers saw .* fail within 5 s, whatever its health path says/,
  )
})

test('a pin decides over the table, and holds its cells back from a drain', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const params = { tenant: 'acme/ü' }
  const before = (await fixture.call('getTenantRoute', { params })).body
  assert.equal(before.source, 'table')
  const pinned = await fixture.call('pinTenant', {
    params,
    body: { cells: ['cell-003', 'cell-001'], reason: 'big' },
  })
  assert.equal(pinned.status, 200)
  assert.deepEqual(
    [pinned.body.source, pinned.body.cells.map((cell: { id: string }) => cell.id)],
    ['pin', ['cell-003', 'cell-001']],
  )
  const refused = await fixture.call('drainCell', { params: { cell: 'cell-003' }, body: { reason: 'test' } })
  assert.match(refused.body.detail, /acme\/ü.*unpin them first/)
  const bad = await fixture.call('pinTenant', {
    params,
    body: { cells: ['cell-003', 'no-cell', 'cell-003'], reason: 'x' },
  })
  assert.deepEqual(pathsOf(bad.body.problems), ['cells[1]', 'cells[2]'])
  const unpinned = await fixture.call('unpinTenant', { params })
  assert.deepEqual([unpinned.body.source, unpinned.body.cells], ['table', before.cells])
  assert.equal((await fixture.call('unpinTenant', { params })).status, 409)
})

test('a stateful tenant keeps its home when cells come', async (t) => {
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ kind: 'stateful' }))
  await fixture.startFleet()
  const registered = await fixture.call('registerTenant', { body: { tenant: 'acme' } })
  assert.deepEqual([registered.body.source, registered.body.generation], ['assignment', 1])
  const home = registered.body.cells[0].id
  await fixture.call('addCell', { body: {} })
  await fixture.startCell('cell-005', 5)
  await fixture.waitFor('the new cell', async () => (await fixture.cell('cell-005')).state === 'active')
  const again = await fixture.call('registerTenant', { body: { tenant: 'acme' } })
  assert.deepEqual(again.body.cells, registered.body.cells, 'registering twice changes nothing')
  const other = ['cell-001', 'cell-002'].find((id) => id !== home)
  const moved = await fixture.call('pinTenant', {
    params: { tenant: 'acme' },
    body: { cells: [other], reason: 'x' },
  })
  assert.match(moved.body.detail, /only by a migration/)
  assert.equal(
    (await fixture.call('drainCell', { params: { cell: home }, body: { reason: 'x' } })).status,
    409,
  )
})

test('tenants that routers saw are listed with their requests, and counted in the blast radius', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  assert.equal((await fixture.call('getBlastRadius')).body.counted_over, 'buckets')
  const router = fixture.startRouter('router-1')
  router.tenants = [
    { tenant: 'acme', requests: 5, errors: 0 },
    { tenant: 'globex', requests: 1, errors: 0 },
    { tenant: 'bad\u0000key', requests: 1, errors: 0 },
  ]
  await fixture.call('registerTenant', { body: { tenant: 'initech' } })
  const list = async (query = {}) => (await fixture.call('listTenants', { query })).body
  await fixture.waitFor('the tenants', async () => (await list()).tenants.length === 3)
  const first = await list({ limit: 2 })
  assert.deepEqual(
    [first.tenants.map((one: { tenant: string }) => one.tenant), first.next],
    [['acme', 'globex'], 'globex'],
  )
  const second = await list({ limit: 2, after: first.next })
  assert.deepEqual(
    [second.tenants[0].tenant, second.tenants[0].is_registered, second.next],
    ['initech', true, null],
  )
})

test('a cell that could not be placed is refused when it is added, and not left waiting', async (t) => {
  const fleet = exampleFleet({ cells: { count: 4, zones: ['a'], retention_hours: 1 } })
  const fixture = await createFixtureFor(t, postgres, fleet)
  await fixture.startFleet()
  const heavy = await fixture.call('addCell', { body: { weight: 100 } })
  assert.equal(heavy.status, 409)
  assert.equal(heavy.body.code, 'PLAN_REFUSED')
  assert.match(heavy.body.detail, /slot 5 has weight 100 of 140 in all; .* lower it to 40/)
  // A second zone would have to carry half of all places, and one cell may not have that many tenants.
  for (const tenant of ['acme', 'globex', 'initech'])
    await fixture.call('registerTenant', { body: { tenant } })
  const bounded = await fixture.call('addCell', { body: { zone: 'b', capacity: { tenants: 1 } } })
  assert.equal(bounded.status, 409)
  assert.equal(bounded.body.problems[0].code, 'TENANTS_BOUND_UNMET')
  assert.match(
    bounded.body.detail,
    /room for 4 places, at most one cell of a zone .* the 3 tenants .* need 6/,
  )
  assert.equal((await fixture.call('listCells')).body.cells.length, 5)
})

test('stateless tenants that come beyond a bound are moved to cells with room, and one that none has is told', async (t) => {
  const fleet = exampleFleet({
    cells: { count: 3, capacity: { tenants: 4 }, retention_hours: 1 },
    quarantine: { enabled: false },
  })
  const fixture = await createFixtureFor(t, postgres, fleet)
  await fixture.startFleet()
  const holders = async () => {
    const { tenants } = (await fixture.call('listTenants')).body as { tenants: { cells: string[] }[] }
    return tenants.flatMap(({ cells }) => cells)
  }
  for (let n = 1; n <= 6; n++) await fixture.call('registerTenant', { body: { tenant: `tenant-${n}` } })
  for (const cell of ['cell-001', 'cell-002', 'cell-003']) {
    assert.equal((await holders()).filter((one) => one === cell).length, 4)
  }
  await fixture.call('registerTenant', { body: { tenant: 'one-too-many' } })
  await fixture.waitFor('the problem', async () =>
    (await fixture.status()).cells.some((cell: { problem: string | null }) =>
      /5 tenants have it in their shard, and its bound .* is 4; .* add a cell/.test(cell.problem ?? ''),
    ),
  )
})

test('registering in a stateful fleet keeps the bounds, and refuses when all are reached', async (t) => {
  const fleet = exampleFleet({
    kind: 'stateful',
    cells: { count: 2, capacity: { tenants: 2 }, retention_hours: 1 },
    quarantine: { enabled: false },
  })
  const fixture = await createFixtureFor(t, postgres, fleet)
  await fixture.startFleet()
  const homes = []
  for (let n = 1; n <= 4; n++) {
    const { body } = await fixture.call('registerTenant', { body: { tenant: `tenant-${n}` } })
    homes.push(body.cells[0].id)
  }
  assert.deepEqual(homes.sort(), ['cell-001', 'cell-001', 'cell-002', 'cell-002'])
  const refused = await fixture.call('registerTenant', { body: { tenant: 'one-too-many' } })
  assert.equal(refused.status, 409)
  assert.match(
    refused.body.detail,
    /no active cell may be the home of another tenant: .* come to 4 in 2 cells/,
  )
})

test('a tenant that is pinned and not registered is listed, in the order of pages', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  for (const tenant of ['acme', 'initech']) await fixture.call('registerTenant', { body: { tenant } })
  const body = { cells: ['cell-002', 'cell-001'], reason: 'close to its data' }
  await fixture.call('pinTenant', { params: { tenant: 'globex' }, body })
  const first = (await fixture.call('listTenants', { query: { limit: 2 } })).body
  assert.deepEqual(
    first.tenants.map((one: Record<string, unknown>) => [one['tenant'], one['is_registered'], one['pinned']]),
    [
      ['acme', true, false],
      ['globex', false, true],
    ],
  )
  const second = (await fixture.call('listTenants', { query: { limit: 2, after: first.next } })).body
  assert.deepEqual([second.tenants[0].tenant, second.next], ['initech', null])
})
