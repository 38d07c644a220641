/** The control plane as a whole: what it decides, and what a restart, a second replica or a bad row does not change. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, type TestContext, test } from 'node:test'
import { keyIdOf, parseTopologyBase, privateKeyFromPem, verifyDocument } from '@cellplane/contract'
import { ensureDatabase, startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import pg from 'pg'
import type { Control } from './control.ts'
import {
  type ControlFixture,
  createControlFixture,
  exampleFleet,
  pathsOf,
} from './fixtures/control-fixture.ts'

let postgres: TestPostgres
let databases = 0

before(async () => {
  postgres = await startTestPostgres()
})
after(async () => {
  await postgres.stop()
})

async function newDatabase(): Promise<string> {
  const name = `test_${++databases}`
  await ensureDatabase(postgres.adminUrl, {
    name,
    owner: 'app',
    ownerPassword: decodeURIComponent(new URL(postgres.url).password),
  })
  return Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href
}

async function newFixture(
  t: TestContext,
  fleet = exampleFleet(),
): Promise<ControlFixture & { databaseUrl: string }> {
  const databaseUrl = await newDatabase()
  const fixture = await createControlFixture(databaseUrl, fleet)
  t.after(fixture.remove)
  return Object.assign(fixture, { databaseUrl })
}

async function sql(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

test('declared cells become active together, and the first base is signed and published everywhere', async (t) => {
  const fixture = await newFixture(t)
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

test('a restart changes nothing: same epoch, same version, same bytes', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const file = await fixture.waitFor('the file', () =>
    readFile(fixture.file('published/base.json'), 'utf8').catch(() => ''),
  )
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor('the restarted control plane to see its cells', async () => {
    const { cells, overlay } = await fixture.status()
    return overlay && cells.every((cell: { health: string }) => cell.health === 'healthy')
  })
  assert.equal((await fixture.call('getBase')).headers.get('etag'), etag)
  assert.equal(await readFile(fixture.file('published/base.json'), 'utf8'), file)
  assert.equal((await fixture.call('listVersions')).body.versions.length, 1)
  const states = (await fixture.status()).cells.map((cell: { state: string }) => cell.state)
  assert.deepEqual(new Set(states), new Set(['active']))
})

test('a cell that is added is placed when it serves, and one that is drained empties', async (t) => {
  const fixture = await newFixture(t)
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
  const fixture = await newFixture(t, exampleFleet({ cells: { count: 3, retention_hours: 1 } }))
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
  const fixture = await newFixture(t)
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
  const fixture = await newFixture(t)
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
  assert.deepEqual(await marks(), [])
  for (const n of [1, 2, 3]) cell(n).isHealthy = true
  await fixture.waitFor('the end of the freeze', async () => !(await fixture.status()).automation.is_frozen)
  assert.equal((await fixture.status()).base.version, 1, 'health never moves a tenant')
})

test('a mark survives a restart until the cell is known to be well', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  fixture.cells.get('cell-001')!.isHealthy = false
  const overlay = async () => (await fixture.call('getOverlay')).body
  await fixture.waitFor('the mark', async () => (await overlay()).unhealthy.length === 1)
  const before = await overlay()
  await fixture.stop()
  fixture.setReporting(false)
  await fixture.start({ fleet_file: fixture.configFile.fleet_file })
  await fixture.waitFor('the leader', async () => (await fixture.call('getOverlay')).status === 200)
  assert.deepEqual((await overlay()).unhealthy, before.unhealthy)
  fixture.cells.get('cell-001')!.isHealthy = true
  await fixture.waitFor('the mark to go', async () => (await overlay()).unhealthy.length === 0)
})

test('a cell that routers see fail is gray, whatever its health path says', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const router = fixture.startRouter('router-1')
  const counters = { slot: 0, requests: 0, errors: 0, connect_failures: 0, in_flight: 0, is_ejected: false }
  router.cells = [counters]
  await fixture.waitFor('the mark', async () => {
    counters.requests += 10
    counters.errors += 8
    return (await fixture.call('getOverlay')).body.unhealthy[0]?.slot === 0
  })
  assert.match((await fixture.cell('cell-001')).health_reason, /^gray: .*routers saw/)
})

test('a pin decides over the table, and holds its cells back from a drain', async (t) => {
  const fixture = await newFixture(t)
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
  const fixture = await newFixture(t, exampleFleet({ kind: 'stateful' }))
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
  const fixture = await newFixture(t)
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

test('a corrupted registry row is named, and takes nothing from what is published', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const [{ document } = {}] = await sql(
    fixture.databaseUrl,
    "SELECT document FROM cells WHERE key = 'cell-002'",
  )
  await sql(fixture.databaseUrl, `UPDATE cells SET document = '{"cell": {"id": 5}}' WHERE key = 'cell-002'`)
  await fixture.waitFor('the error', async () =>
    /table cells, key "cell-002"/.test((await fixture.status()).automation.reason),
  )
  const listed = await fixture.call('listCells')
  assert.deepEqual([listed.status, listed.body.code], [500, 'STORE_ROW_INVALID'])
  assert.match(listed.body.detail, /table cells, key "cell-002".*cell\.id/)
  assert.equal((await fixture.status()).cells.length, 4, 'the others are shown')
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor('the base', async () => (await fixture.call('getBase')).headers.get('etag') === etag)
  assert.match(
    await (await fetch(`${fixture.url()}/metrics`)).text(),
    /invalid_rows_total\{table="cells"\} [1-9]/,
  )
  await sql(fixture.databaseUrl, "UPDATE cells SET document = $1 WHERE key = 'cell-002'", [
    JSON.stringify(document),
  ])
  await fixture.waitFor('automation to go on', async () => !(await fixture.status()).automation.is_frozen)
  assert.equal((await fixture.call('getBase')).headers.get('etag'), etag)
})

test('a base row that was cut off is repaired from the file; without the file nothing is published', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const cut = `UPDATE bases SET document = json_build_object('epoch', 1, 'version', 1, 'text', left(document->>'text', 500))`
  await sql(fixture.databaseUrl, cut)
  assert.equal((await fixture.call('getBase')).headers.get('etag'), etag, 'a running one has it in memory')
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor(
    'the repair',
    async () => (await fixture.call('getBase')).headers.get('etag') === etag,
  )
  assert.ok(
    (await fixture.call('listAudit')).body.entries.some(
      (entry: { action: string }) => entry.action === 'store.repair',
    ),
  )

  await fixture.stop()
  await sql(fixture.databaseUrl, cut)
  await writeFile(fixture.file('published/base.json'), '{"format":1,"kind"')
  await fixture.start()
  await fixture.waitFor('the error', async () =>
    /table bases, key/.test((await fixture.status()).automation.reason),
  )
  assert.deepEqual(
    [(await fixture.call('getBase')).status, (await fixture.call('getBase')).body.code],
    [503, 'NO_TOPOLOGY'],
  )
  assert.equal((await fixture.call('listVersions')).body.versions.length, 1)
})

test('a store that is an older copy begins a new epoch', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  await fixture.stop()
  const emptied = await newDatabase()
  await fixture.start({ database_url: emptied })
  await fixture.waitFor('the new epoch', async () => (await fixture.status()).base?.epoch === 2)
})

test('a second replica answers reads, refuses writes, and takes over when the first one goes', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const first = fixture.control()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const second = await fixture.start({ publish_dir: fixture.file('published-2') })
  const etagAt = async (at: Control) => (await fixture.call('getBase', { at })).headers.get('etag')
  await fixture.waitFor('the second to follow', async () => (await etagAt(second)) === etag)
  assert.equal(second.isLeader(), false)
  assert.equal(
    (await fixture.call('getCell', { params: { cell: 'cell-001' }, at: second })).body.state,
    'active',
  )
  const refused = await fixture.call('addCell', { body: {}, at: second })
  assert.deepEqual(
    [refused.status, refused.body.code, refused.headers.get('retry-after')],
    [503, 'NOT_LEADER', '1'],
  )

  const pin = {
    params: { tenant: 'acme' },
    body: { cells: ['cell-001', 'cell-002'], reason: 'x' },
    at: first,
  }
  assert.equal((await fixture.call('pinTenant', pin)).status, 200)
  const pinned = await etagAt(first)
  await fixture.waitFor('the second to follow again', async () => (await etagAt(second)) === pinned)
  await fixture.stop(first)
  await fixture.waitFor('the second to lead', () => second.isLeader())
  await fixture.waitFor('its cells', async () => (await fixture.cell('cell-001')).health === 'healthy')
  assert.equal(await etagAt(second), pinned, 'a change of leaders publishes nothing')
  assert.equal((await fixture.call('addCell', { body: {} })).status, 200)
})

test('a lease whose session the server ended is taken again, and nothing changes', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%(writer)' AND datname = current_database()`
  await sql(fixture.databaseUrl, end)
  await fixture.waitFor('the lease to be lost', () => !fixture.control().isLeader())
  await fixture.waitFor('the lease to be back', () => fixture.control().isLeader())
  assert.equal((await fixture.call('addCell', { body: {} })).status, 200)
  assert.equal((await fixture.call('getBase')).headers.get('etag'), etag)
})

test('the topology is served while the store is gone, and work goes on when it is back', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  await postgres.kill()
  assert.equal((await fixture.call('getBase', { role: 'router' })).headers.get('etag'), etag)
  const cells = await fixture.call('listCells')
  assert.deepEqual([cells.status, cells.body.code], [503, 'STORE_UNAVAILABLE'])
  assert.equal((await fetch(`${fixture.url()}/readyz`)).status, 503)
  assert.equal((await fetch(`${fixture.url()}/healthz`)).status, 200)
  await postgres.restart()
  await fixture.waitFor('the lease', () => fixture.control().isLeader())
  const params = { tenant: 'acme' }
  const pinned = await fixture.call('pinTenant', { params, body: { cells: ['cell-001'], reason: 'x' } })
  assert.equal(pinned.body.source, 'pin')
})

test('a store of another fleet is refused', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  await fixture.stop()
  await fixture.writeFleet(exampleFleet({ fleet: 'other' }))
  await assert.rejects(() => fixture.start(), /belongs to fleet "test"; expected "other"/)
})

test('another shard size is refused and the published placement stays', async (t) => {
  const fixture = await newFixture(t)
  await fixture.startFleet()
  await fixture.stop()
  await fixture.writeFleet(exampleFleet({ placement: { shard_size: 3, buckets: 256 } }))
  await fixture.start()
  await fixture.waitFor('the refusal', async () =>
    /found 3, but the fleet runs with 2/.test((await fixture.status()).automation.reason),
  )
  assert.equal((await fixture.call('getBase')).body.shard_size, 2)
})
