/** Waves: who has which base while one is watched, and what becomes of it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { ROUTER_HEADER } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type ControlFixture, exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor, sql } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const fleet = exampleFleet({ topology: { watch_seconds: 0.3 } })

/** Two routers that have the first base; by their names, router-1 is the canary. */
async function startRouters(fixture: ControlFixture) {
  await fixture.startFleet()
  const [first, second] = [fixture.startRouter('router-1'), fixture.startRouter('router-2')]
  await fixture.waitFor('both routers', async () => {
    const { routers } = await fixture.status()
    return routers.length === 2 && routers.every((one: { base: unknown }) => one.base)
  })
  return { first, second }
}

async function addCell(fixture: ControlFixture): Promise<void> {
  await fixture.call('addCell', { body: {} })
  await fixture.startCell('cell-005', 5)
}

async function versionFor(fixture: ControlFixture, router?: string): Promise<number> {
  const headers: Record<string, string> = router === undefined ? {} : { [ROUTER_HEADER]: router }
  return (await fixture.call('getBase', { role: 'router', headers })).body.version
}

const actions = async (fixture: ControlFixture): Promise<string[]> =>
  (await fixture.call('listAudit')).body.entries.map((entry: { action: string }) => entry.action)

test('a base goes to one router first, and to files and all others once that one is well', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  first.holdBack = true
  await addCell(fixture)
  const wave = await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  assert.deepEqual([wave.base, wave.former, wave.router], [2, 1, 'router-1'])
  assert.deepEqual(
    [
      await versionFor(fixture, 'router-1'),
      await versionFor(fixture, 'router-2'),
      await versionFor(fixture),
      JSON.parse(await readFile(fixture.file('published/base.json'), 'utf8')).version,
    ],
    [2, 1, 1, 1],
  )
  // All know that it is under way: ids of its new cell are no strangers to them.
  assert.equal((await fixture.call('getOverlay', { role: 'router' })).body.base_version, 2)
  first.holdBack = false
  await fixture.waitFor('the end', async () => (await fixture.status()).wave === null)
  assert.deepEqual([await versionFor(fixture, 'router-2'), await versionFor(fixture)], [2, 2])
  await fixture.waitFor('the file', async () => {
    return JSON.parse(await readFile(fixture.file('published/base.json'), 'utf8')).version === 2
  })
  assert.ok((await actions(fixture)).includes('topology.wave'))
})

test('a base that the first router refuses is taken back, and publishing halts until somebody resumes', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  const before = (await fixture.call('getBase')).body
  first.holdBack = true
  await addCell(fixture)
  await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  first.refused = 1
  first.lastRefusal = 'base from origin: no reason to speak of'
  const { automation } = await fixture.waitFor('the halt', async () => {
    const status = await fixture.status()
    return status.automation.is_frozen && status.wave === null ? status : undefined
  })
  assert.match(automation.reason, /base 2 was taken back: router "router-1" refuses it: base from origin/)
  first.holdBack = false
  const after = (await fixture.call('getBase')).body
  assert.deepEqual(
    [after.version, after.forced, after.table, after.cells.length],
    [3, true, before.table, before.cells.length],
  )
  assert.ok((await actions(fixture)).includes('topology.take-back'))
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  assert.equal(await versionFor(fixture), 3, 'nothing is published meanwhile')
  const rollback = await fixture.call('rollbackTopology', { params: { version: 1 }, body: { reason: 'x' } })
  assert.match(rollback.body.detail, /resume first/)

  const resumed = await fixture.call('resumeTopology', { body: { reason: 'it was the router' } })
  assert.match(resumed.body.was_halted_because, /router-1/)
  await fixture.waitFor('the same change again, and well', async () => {
    const status = await fixture.status()
    return status.wave === null && status.base.version === 4 && !status.automation.is_frozen
  })
  assert.equal((await fixture.call('resumeTopology', { body: { reason: 'x' } })).status, 409)
})

test('errors are seen although the new base drops the busiest cell, with its counts', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  const counted = (slot: number, requests: number, errors = 0) => ({
    ...{ slot, requests, errors, connect_failures: 0, in_flight: 0, is_ejected: false },
  })
  first.cells = [counted(0, 1_000_000), counted(1, 1_000)]
  first.lastRefusal = 'a sign that they were reported'
  await fixture.waitFor('a report of them', async () => {
    const { routers } = await fixture.status()
    return routers.some((one: { last_refusal: string | null }) => one.last_refusal === first.lastRefusal)
  })
  first.holdBack = true
  await addCell(fixture)
  await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  first.cells = [counted(1, 1_100, 50)]
  first.holdBack = false
  await fixture.waitFor('the halt', async () =>
    /taken back: router "router-1".* sees 50 errors in 100 requests/.test(
      (await fixture.status()).automation.reason,
    ),
  )
})

test('a control plane that dies in a wave goes on with it', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  first.holdBack = true
  await addCell(fixture)
  await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  await fixture.stop()
  await fixture.start()
  await fixture.waitFor('the base', async () => (await fixture.status()).base?.version === 2)
  assert.deepEqual([await versionFor(fixture, 'router-1'), await versionFor(fixture, 'router-2')], [2, 1])
  first.holdBack = false
  await fixture.waitFor('the end', async () => (await fixture.status()).wave === null)
  assert.equal(await versionFor(fixture, 'router-2'), 2)
})

test('what is in the file when a control plane starts waits for the routers that it knows', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  await fixture.waitFor('their rows', async () => {
    const rows = await sql(fixture.databaseUrl, 'SELECT key FROM routers')
    return rows.length === 2
  })
  await fixture.stop()
  first.holdBack = true
  await fixture.writeFleet(
    exampleFleet({ topology: { watch_seconds: 0.3 }, cells: { count: 4, weight: 20, retention_hours: 1 } }),
  )
  await fixture.start()
  const wave = await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  assert.equal(wave.router, 'router-1')
})

test('a pin does not wait for a watch, nor does anything where there is one router', async (t) => {
  const fixture = await createFixtureFor(t, postgres, fleet)
  const { first } = await startRouters(fixture)
  first.holdBack = true
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  assert.deepEqual([await versionFor(fixture, 'router-2'), (await fixture.status()).wave], [2, null])
  fixture.routers.delete('router-1')
  await fixture.waitFor('one router', async () => {
    const { routers } = await fixture.status()
    return routers.filter((one: { is_reporting: boolean }) => one.is_reporting).length === 1
  })
  await fixture.call('drainCell', { params: { cell: 'cell-001' }, body: { reason: 'x' } })
  assert.deepEqual([await versionFor(fixture, 'router-2'), (await fixture.status()).wave], [3, null])
})
