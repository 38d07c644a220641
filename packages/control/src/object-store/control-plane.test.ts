/** A whole control plane that publishes as objects: what is there is what routers are given, and the bucket holds up nobody. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { CREDENTIALS, REGION, type S3Server, startS3Server } from '@cellplane/testing/s3-server'
import type { ControlFixture } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('the objects are the documents that routers are given, before and after a restart', async (t) => {
  const s3 = await startS3Server('topologies')
  const fixture = await createFixtureFor(t, postgres)
  t.after(s3.stop)
  const changes = await publishTo(s3, fixture)
  await fixture.startCells()
  await fixture.start(changes)
  const first = await untilPublished(fixture, s3)
  await fixture.stop()
  await fixture.start(changes)
  await fixture.waitFor(
    'the lease',
    async () => fixture.control().isLeader() && (await fixture.status()).base,
  )
  const quarantined = await fixture.call('quarantineTenant', {
    params: { tenant: 'acme' },
    body: { reason: 'try' },
  })
  assert.equal(quarantined.status, 200)
  const second = await untilPublished(fixture, s3)
  assert.equal(second.base.key, first.base.key, 'the same base, which was written once')
  assert.ok(second.overlay.version > first.overlay.version)
  assert.ok(
    s3.log.every((line) => !/ 4(?!04|12)\d\d$/.test(line)),
    s3.log.join('\n'),
  )
})

test('a store that is down is a problem and no freeze, and everything else is published', async (t) => {
  const s3 = await startS3Server('topologies')
  const fixture = await createFixtureFor(t, postgres)
  const changes = await publishTo(s3, fixture)
  await s3.stop()
  await fixture.startCells()
  await fixture.start(changes)
  const { automation } = await fixture.waitFor('the problem', async () => {
    const found = await fixture.status()
    const { problems } = found.automation
    return /not published as objects: PUT http:\S+ failed/.test(problems.join()) && found.base && found
  })
  assert.deepEqual([automation.is_frozen, automation.reason], [false, ''])
  assert.equal((await fixture.call('getBase', { role: 'router' })).status, 200)
  const answer = await fixture.call('quarantineTenant', {
    params: { tenant: 'acme' },
    body: { reason: 'try' },
  })
  assert.equal(answer.status, 200)
  const metrics = await fetch(`${fixture.url()}/metrics`, {
    headers: { authorization: `Bearer ${fixture.token('reader')}` },
  })
  assert.match(await metrics.text(), /^cellplane_control_s3_failures_total [1-9]/m)
})

async function publishTo(s3: S3Server, { file }: ControlFixture) {
  await writeFile(file('s3.json'), JSON.stringify(CREDENTIALS), { mode: 0o600 })
  return {
    publish: {
      s3: { endpoint: s3.url, bucket: 'topologies', region: REGION, credentials_file: file('s3.json') },
    },
  }
}

/** The pointer, once what it names is what the API gives. */
async function untilPublished({ call, waitFor }: ControlFixture, { objects }: S3Server) {
  return waitFor('the objects to be what the API gives', async () => {
    const pointer = JSON.parse(objects.get('cellplane/current.json') ?? 'null')
    const given = await Promise.all([
      call('getBase', { role: 'router' }),
      call('getOverlay', { role: 'router' }),
    ])
    const texts = given.map(({ body }) => JSON.stringify(body))
    return (
      objects.get(pointer.base.key) === texts[0] && objects.get(pointer.overlay.key) === texts[1] && pointer
    )
  })
}
