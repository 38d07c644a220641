/** The control plane as a whole on a store that is an older copy of itself, and while it asks whether it is. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import type { ControlFixture } from './fixtures/control-fixture.ts'
import { createDatabase, createFixtureFor, sql } from './fixtures/test-databases.ts'
import { SETTINGS, SETTINGS_KEY } from './store/collections.ts'
import { openPostgresStore } from './store/postgres.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const PIN = { params: { tenant: 'acme' }, body: { cells: ['cell-001', 'cell-002'], reason: 'x' } }

const epochsBegun = async (fixture: ControlFixture): Promise<string[]> =>
  (await fixture.call('listAudit', { query: { limit: 100 } })).body.entries
    .filter(({ action }: { action: string }) => action === 'epoch.begin')
    .map(({ reason }: { reason: string }) => reason)

test('a replica that follows an older copy before it leads keeps what it has in its file, and takes it back', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  await fixture.stop()
  const copy = await createDatabase(postgres, fixture.databaseUrl)
  await fixture.start()
  await fixture.waitFor('the leader', () => fixture.control().isLeader())
  assert.equal((await fixture.call('pinTenant', PIN)).status, 200)
  const file = async () => JSON.parse(await readFile(fixture.file('published/base.json'), 'utf8'))
  await fixture.waitFor('the file', async () => (await file()).version === 2)
  await fixture.stop()

  await fixture.start({ database_url: copy })
  await fixture.waitFor('the new epoch', async () => (await file()).epoch === 2)
  const { overrides } = await file()
  assert.deepEqual(
    overrides.map(({ tenant }: { tenant: string }) => tenant),
    ['acme'],
  )
  assert.match((await epochsBegun(fixture)).join(), /this replica has the base of \(epoch 1, version 2\)/)
})

test('a router with other content of the same version begins a new epoch, and one with an absurd epoch none', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const broken = fixture.startRouter('router-broken')
  broken.holdBack = true
  broken.base = { epoch: Number.MAX_SAFE_INTEGER, version: 9 }
  await fixture.waitFor('the problem', async () =>
    /router "router-broken" says that it has the base of epoch 9007199254740991/.test(
      (await fixture.status()).automation.problems.join(),
    ),
  )
  const router = fixture.startRouter('router-a')
  router.holdBack = true
  router.base = { epoch: 1, version: 1, signature: 'of-another-base' }
  await fixture.waitFor('the new epoch', async () => (await fixture.status()).base?.epoch === 2)
  assert.match(
    (await epochsBegun(fixture))[0]!,
    /router "router-a" has another base of \(epoch 1, version 1\)/,
  )
  const stored = await fixture.waitFor('the saved report', async () => {
    const rows = await sql(fixture.databaseUrl, `SELECT document FROM routers WHERE key = 'router-a'`)
    return (rows[0]?.document as { base: unknown } | undefined)?.base
  })
  assert.deepEqual(stored, { epoch: 1, version: 1 }, 'a row that replicas of older releases can read')
})

test('what cannot be read again is not stored', async () => {
  const store = await openPostgresStore({
    ...{ url: await createDatabase(postgres), leasePollMs: 10, onInvalidRow: () => {} },
    logger: { info() {}, warn() {} } as never,
  })
  try {
    await new Promise<void>((resolve) => store.campaign(() => resolve()))
    const settings = { fleet: 'test', epoch: Number.MAX_SAFE_INTEGER + 1 }
    const put = store.write((writer) => writer.put(SETTINGS, SETTINGS_KEY, settings))
    await assert.rejects(put, /table settings, key "fleet" is not stored: .*epoch.*at most 15 digits/)
    assert.equal(await store.get(SETTINGS, SETTINGS_KEY), undefined)
  } finally {
    await store.stop()
  }
})

test('a change that is made while routers are waited for is answered once it is published', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  fixture.startRouter('router-a')
  const isSaved = async () => (await sql(fixture.databaseUrl, 'SELECT key FROM routers')).length > 0
  await fixture.waitFor('the router in the store', isSaved)
  const isAudited = async (action: string) =>
    (await fixture.call('listAudit')).body.entries.some(
      (entry: { action: string }) => entry.action === action,
    )

  await restartUnheard(fixture)
  const pinned = fixture.call('pinTenant', PIN)
  await fixture.waitFor('the pin in the store', () => isAudited('tenant.pin'))
  fixture.setReporting(true)
  assert.equal((await pinned).status, 200)
  assert.equal((await fixture.call('getBase')).body.version, 2)

  await restartUnheard(fixture)
  const answer = fixture.call('rollbackTopology', { params: { version: 1 }, body: { reason: 'x' } })
  fixture.setReporting(true)
  const { status, body } = await answer
  assert.equal(status, 409)
  assert.match(body.detail, /version 1 places tenants as version 2 does/, 'it was taken up')
})

/** A leader whom no router has told yet what it has. */
async function restartUnheard(fixture: ControlFixture): Promise<void> {
  fixture.setReporting(false)
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor('the leader', () => fixture.control().isLeader())
}
