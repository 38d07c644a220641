/** A control plane that starts in the middle of a wave and cannot read the base that the others have: nobody is given the one that is watched. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { ROUTER_HEADER } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor, sql } from '../fixtures/test-databases.ts'
import { versionKey } from '../store/collections.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('the base before a wave that is corrupt, or gone, halts all publishing until it is back; then the wave goes on', async (t) => {
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ topology: { watch_seconds: 0.3 } }))
  await fixture.startFleet()
  const [first] = [fixture.startRouter('router-1'), fixture.startRouter('router-2')]
  await fixture.waitFor('both routers', async () => {
    const { routers } = await fixture.status()
    return routers.length === 2 && routers.every((one: { base: unknown }) => one.base)
  })
  const given = async (router: string) => {
    const headers = { [ROUTER_HEADER]: router }
    const { status, body } = await fixture.call('getBase', { role: 'router', headers })
    return status === 200 ? body.version : body.code
  }
  const told = async () => {
    const { reason, problems } = (await fixture.status()).automation
    return [reason, ...problems].join('; ')
  }
  first!.holdBack = true
  await fixture.call('addCell', { body: {} })
  await fixture.startCell('cell-005', 5)
  await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  const file = fixture.file('published/base.json')
  const former = await readFile(file, 'utf8')
  assert.equal(JSON.parse(former).version, 1, 'files have what the others have')
  await fixture.stop()
  const key = versionKey({ epoch: 1, version: 1 })

  for (const [damage, reason] of [
    [
      `UPDATE bases SET document = json_build_object('epoch', 1, 'version', 1, 'text', left(document->>'text', 500)) WHERE key = $1`,
      /base 2 is in its wave.*all routers but "router-1" have.*publish_dir, repairs the row.*JSON/,
    ],
    ['DELETE FROM bases WHERE key = $1', /base 2 is in its wave.*the row is missing/],
  ] as const) {
    await sql(fixture.databaseUrl, damage, [key])
    await writeFile(file, '{"format":1,"kind"')
    await fixture.start()
    await fixture.waitFor('the reason', async () => reason.test(await told()))
    assert.deepEqual([await given('router-1'), await given('router-2')], ['NO_TOPOLOGY', 'NO_TOPOLOGY'])
    const rollback = { params: { version: 1 }, body: { reason: 'x' } }
    assert.equal((await fixture.call('rollbackTopology', rollback)).status, 503)
    assert.equal((await fixture.call('listVersions')).body.versions.length, 2, 'no base was published')
    // As told: what every router but the canary has on its disk.
    await writeFile(file, former)
    await fixture.waitFor('the wave again', async () => (await fixture.status()).wave?.base === 2)
    assert.deepEqual([await given('router-1'), await given('router-2')], [2, 1])
    await fixture.stop()
  }

  await fixture.start()
  await fixture.waitFor('the wave', async () => (await fixture.status()).wave)
  first!.refused = 1
  first!.lastRefusal = 'base from origin: no reason to speak of'
  await fixture.waitFor('the halt', async () => /base 2 was taken back/.test(await told()))
  const back = (await fixture.call('getBase')).body
  assert.deepEqual(
    [back.version, back.table],
    [3, JSON.parse(former).table],
    'what was repaired is taken back to',
  )
})
