/** The control plane as a whole, in bad times: what a restart, a second replica, a lost store or a bad row does not change. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import type { Control } from './control.ts'
import { exampleFleet } from './fixtures/control-fixture.ts'
import { createDatabase, createFixtureFor, sql } from './fixtures/test-databases.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('a restart changes nothing: same epoch, same version, same bytes', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
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

test('a mark survives a restart until the cell is known to be well', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
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

test('a corrupted registry row is named, and takes nothing from what is published', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const etag = (await fixture.call('getBase')).headers.get('etag')
  const [{ document } = {}] = await sql(
    fixture.databaseUrl,
    "SELECT document FROM cells WHERE key = 'cell-002'",
  )
  await sql(fixture.databaseUrl, `UPDATE cells SET document = '{"cell": {"id": 5}}' WHERE key = 'cell-002'`)
  await fixture.waitFor('the error', async () =>
    /table cells, key "cell-002"/.test((await fixture.status()).automation.problems.join()),
  )
  const listed = await fixture.call('listCells')
  assert.deepEqual([listed.status, listed.body.code], [500, 'STORE_ROW_INVALID'])
  assert.match(listed.body.detail, /table cells, key "cell-002".*cell\.id/)
  assert.equal((await fixture.status()).cells.length, 4, 'the others are shown')
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor('the base', async () => (await fixture.call('getBase')).headers.get('etag') === etag)
  await fixture.waitFor('the count', async () =>
    /invalid_rows_total\{table="cells"\} [1-9]/.test(await (await fetch(`${fixture.url()}/metrics`)).text()),
  )
  await sql(fixture.databaseUrl, "UPDATE cells SET document = $1 WHERE key = 'cell-002'", [
    JSON.stringify(document),
  ])
  await fixture.waitFor('the end of all problems', async () => {
    const { problems } = (await fixture.status()).automation
    return problems.length === 0
  })
  assert.equal((await fixture.call('getBase')).headers.get('etag'), etag)
})

test('a base row that was cut off is repaired from the file; without the file nothing is published', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
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
    /table bases, key/.test((await fixture.status()).automation.problems.join()),
  )
  assert.deepEqual(
    [(await fixture.call('getBase')).status, (await fixture.call('getBase')).body.code],
    [503, 'NO_TOPOLOGY'],
  )
  const rollback = await fixture.call('rollbackTopology', { params: { version: 1 }, body: { reason: 'x' } })
  assert.deepEqual([rollback.status, rollback.body.code], [503, 'STORE_UNAVAILABLE'], 'it does lead')
  assert.match(rollback.body.detail, /the rollback was not taken up, and will not be: .*table bases, key/)
  assert.equal((await fixture.call('listVersions')).body.versions.length, 1)
})

test('an overlay row that was cut off is replaced in a new epoch, with the marks of the file if there is one', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const overlay = async () => (await fixture.call('getOverlay')).body
  const corrupt = async (row: string) => {
    await fixture.stop()
    await sql(fixture.databaseUrl, `UPDATE overlays SET document = ${row}`)
  }
  fixture.cells.get('cell-001')!.isHealthy = false
  await fixture.waitFor('the mark', async () => (await overlay()).unhealthy.length === 1)
  const { unhealthy } = await overlay()
  await fixture.waitFor('the file', async () =>
    (await readFile(fixture.file('published/overlay.json'), 'utf8')).includes('"unhealthy":[{'),
  )

  await corrupt(
    `json_build_object('epoch', 1, 'version', document->'version', 'text', left(document->>'text', 50))`,
  )
  fixture.setReporting(false)
  await fixture.start()
  await fixture.waitFor('the new epoch', async () => (await overlay()).epoch === 2)
  assert.deepEqual((await overlay()).unhealthy, unhealthy)
  await fixture.waitFor('its base', async () => (await fixture.call('getBase')).body.epoch === 2)

  await corrupt(`'{"epoch": "?"}'`)
  await writeFile(fixture.file('published/overlay.json'), '{"format":1,"kind"')
  fixture.setReporting(true)
  await fixture.start()
  await fixture.waitFor('the next epoch', async () => (await overlay()).epoch === 3)
  await fixture.waitFor('the mark, seen anew', async () => (await overlay()).unhealthy.length === 1)
  await fixture.waitFor('the end of all problems', async () => {
    const { problems } = (await fixture.status()).automation
    return problems.length === 0
  })
})

test('a store that is an older copy begins a new epoch', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  await fixture.waitFor('the file', () =>
    readFile(fixture.file('published/base.json')).catch(() => undefined),
  )
  await fixture.stop()
  const emptied = await createDatabase(postgres)
  await fixture.start({ database_url: emptied })
  await fixture.waitFor('the new epoch', async () => (await fixture.status()).base?.epoch === 2)
})

test('a router that has a newer base than the store knows begins a new epoch, on a replica without a file', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const router = fixture.startRouter('router-a')
  router.holdBack = true
  router.base = { epoch: 1, version: 9 }
  await fixture.waitFor('the new epoch', async () => (await fixture.status()).base?.epoch === 2)
  const { entries } = (await fixture.call('listAudit')).body
  const begun = entries.find(({ action }: { action: string }) => action === 'epoch.begin')
  assert.match(begun.reason, /router "router-a" has the base of \(epoch 1, version 9\)/)
})

test('a second replica answers reads, refuses writes, and takes over when the first one goes', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
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
  const fixture = await createFixtureFor(t, postgres)
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
  const fixture = await createFixtureFor(t, postgres)
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
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  await fixture.stop()
  await fixture.writeFleet(exampleFleet({ fleet: 'other' }))
  await assert.rejects(() => fixture.start(), /belongs to fleet "test"; expected "other"/)
})

test('another shard size is refused and the published placement stays', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  await fixture.stop()
  await fixture.writeFleet(exampleFleet({ placement: { shard_size: 3, buckets: 256 } }))
  await fixture.start()
  await fixture.waitFor('the refusal', async () =>
    /found 3, but the fleet runs with 2/.test((await fixture.status()).automation.problems.join()),
  )
  assert.equal((await fixture.call('getBase')).body.shard_size, 2)
})

test('the process stops by itself on SIGTERM, and when its parent is gone', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  const file = fixture.file('control.json')
  await writeFile(file, JSON.stringify({ ...fixture.configFile, parent_bound: true }))
  const ends: ((child: ChildProcess) => void)[] = [
    (child) => child.kill('SIGTERM'),
    (child) => child.disconnect(),
  ]
  for (const end of ends) {
    const child = await startMain(file)
    const ended = once(child, 'exit')
    end(child)
    assert.deepEqual(await ended, [0, null])
  }
})

/** The process, once it has logged where it listens. */
async function startMain(config: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.includes('control plane listens')) break
  }
  child.stdout!.resume()
  return child
}
