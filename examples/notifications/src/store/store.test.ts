import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { accept, type NewNotification } from './accept.ts'
import { type Database, isStoreUnavailable, openDatabase } from './database.ts'
import { migrate } from './migrate.ts'
import { leaseJobs, type Outcome, recordOutcomes } from './queue.ts'
import { getNotification, listAttempts } from './read.ts'
import { countHeld, PURGE_BATCH_ROWS, purgeBatch } from './retention.ts'

const LEASE_A = '00000000-0000-4000-8000-00000000000a'
const LEASE_B = '00000000-0000-4000-8000-00000000000b'
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let postgres: TestPostgres
let database: Database
before(async () => {
  postgres = await startTestPostgres()
  database = openDatabase({ url: postgres.url, name: 'test', connectionsMax: 4, onIdleError: () => {} })
  await migrate(database)
})
after(async () => {
  await database?.close()
  await postgres?.stop()
})

function notification(tenant: string, id: string): NewNotification {
  return {
    ...{ tenant, id, channel: 'push', to: 'device', subject: null, body: 'x', template: null },
    ...{ idempotencyKey: null, requestDigest: 'd', deliveryKey: `key-${id}`, deliverBefore: null },
    traceparent: TRACEPARENT,
  }
}

const outcome = (id: string, lease: string, status: Outcome['status'], number = 1): Outcome => ({
  ...{ tenant: 'acme', id, lease, number, status, delayMs: 0 },
  attempt: {
    startedAt: new Date(),
    durationMs: 3,
    outcome: status === 'delivered' ? 'delivered' : 'failed',
    detail: '',
  },
})

test('migrations run once, also when two start at the same time', async () => {
  assert.deepEqual(await migrate(database), [])
  const [a, b] = await Promise.all([migrate(database), migrate(database)])
  assert.deepEqual([a, b], [[], []])
  const second = openDatabase({
    url: postgres.adminUrl,
    name: 'test',
    connectionsMax: 2,
    onIdleError: () => {},
  })
  const runs = await Promise.all([migrate(second), migrate(second)])
  assert.deepEqual(runs.flat(), ['001_notifications.sql', '002_trace.sql'])
  await second.close()
})

test('a leased row is nobody else’s until its lease runs out', async () => {
  await accept(database, notification('acme', 'ntf_0_a'))
  const [job] = await leaseJobs(database, 10, 60_000, LEASE_A)
  assert.equal(job?.id, 'ntf_0_a')
  assert.equal(job?.attempt, 1)
  assert.deepEqual(await leaseJobs(database, 10, 60_000, LEASE_B), [])
  await database.query(`UPDATE delivery SET due_at = now() WHERE notification_id = 'ntf_0_a'`)
  const [again] = await leaseJobs(database, 10, 60_000, LEASE_B)
  assert.equal(again?.attempt, 2)
})

test('who comes late may say "delivered", and nothing else', async () => {
  await recordOutcomes(database, [outcome('ntf_0_a', LEASE_A, 'dead_letter')])
  assert.equal((await getNotification(database, 'acme', 'ntf_0_a'))?.status, 'queued')
  await recordOutcomes(database, [outcome('ntf_0_a', LEASE_A, 'retrying')])
  assert.deepEqual(await leaseJobs(database, 10, 60_000, LEASE_A), [], 'it is still the other’s')
  await recordOutcomes(database, [outcome('ntf_0_a', LEASE_A, 'delivered')])
  assert.equal((await getNotification(database, 'acme', 'ntf_0_a'))?.status, 'delivered')
  await recordOutcomes(database, [outcome('ntf_0_a', LEASE_B, 'retrying', 2)])
  assert.equal((await getNotification(database, 'acme', 'ntf_0_a'))?.status, 'delivered')
  assert.equal((await listAttempts(database, 'acme', 'ntf_0_a'))?.length, 2)
})

test('concurrent leases take different rows', async () => {
  for (let i = 0; i < 40; i++) await accept(database, notification('many', `ntf_0_m${i}`))
  const leases = await Promise.all(
    Array.from({ length: 4 }, (_, i) =>
      leaseJobs(database, 10, 60_000, `00000000-0000-4000-8000-00000000001${i}`),
    ),
  )
  const ids = leases.flat().map(({ id }) => id)
  assert.equal(ids.length, new Set(ids).size)
  await database.query('DELETE FROM notification')
})

test('an outcome for what is gone harms nobody’s', async () => {
  await accept(database, notification('acme', 'ntf_0_b'))
  await leaseJobs(database, 10, 60_000, LEASE_A)
  await recordOutcomes(database, [
    outcome('ntf_0_gone', LEASE_A, 'delivered'),
    outcome('ntf_0_b', LEASE_A, 'delivered'),
  ])
  assert.equal((await getNotification(database, 'acme', 'ntf_0_b'))?.status, 'delivered')
  await database.query('DELETE FROM notification')
})

test('holdings count what is not delivered and what is within its retention', async () => {
  assert.deepEqual(await countHeld(database, 1), { undelivered: 0, retained: 0, retained_until: null })
  await accept(database, notification('acme', 'ntf_0_c'))
  await accept(database, notification('acme', 'ntf_0_d'))
  const waiting = await countHeld(database, 1)
  assert.equal(waiting.undelivered, 2)
  assert.equal(waiting.retained, 2)
  await leaseJobs(database, 10, 60_000, LEASE_A)
  await recordOutcomes(
    database,
    ['ntf_0_c', 'ntf_0_d'].map((id) => outcome(id, LEASE_A, 'delivered')),
  )
  const delivered = await countHeld(database, 1)
  assert.equal(delivered.undelivered, 0)
  assert.equal(delivered.retained, 2)
  const until = Date.parse(delivered.retained_until!)
  assert.ok(Math.abs(until - Date.now() - 3_600_000) < 60_000)
})

test('a purge takes a batch of what is past its retention, and never what is not finished', async () => {
  await database.query(`UPDATE notification SET finished_at = now() - interval '2 hours'`)
  await database.query(
    `INSERT INTO notification (tenant, id, channel, recipient, body, request_digest, delivery_key, status, finished_at)
     SELECT 'acme', 'ntf_0_old' || i, 'push', 'd', 'x', 'd', 'k', 'delivered', now() - interval '3 hours'
     FROM generate_series(1, $1::int) AS i`,
    [PURGE_BATCH_ROWS],
  )
  await database.query(
    `INSERT INTO template (tenant, sha256, content, used_at) VALUES ('acme', repeat('a', 64), '', now() - interval '3 days')`,
  )
  await accept(database, notification('acme', 'ntf_0_e'))
  await database.query(`UPDATE notification SET created_at = now() - interval '1 year' WHERE id = 'ntf_0_e'`)
  assert.deepEqual((await countHeld(database, 1)).retained, 1, 'what is past its retention is not held')
  assert.equal(await purgeBatch(database, 1), PURGE_BATCH_ROWS + 1)
  assert.equal(await purgeBatch(database, 1), 2)
  assert.equal(await purgeBatch(database, 1), 0)
  assert.ok(await getNotification(database, 'acme', 'ntf_0_e'))
  assert.equal(await getNotification(database, 'acme', 'ntf_0_c'), undefined)
})

test('a store that is gone is told apart from a statement that is wrong', async () => {
  const wrong = await database.query('SELECT nonsense').catch((error) => error)
  assert.equal(isStoreUnavailable(wrong), false)
  const slow = await database.query('SET statement_timeout = 1; SELECT pg_sleep(5)').catch((error) => error)
  assert.equal(isStoreUnavailable(slow), true)
  await postgres.kill()
  for (let i = 0; i < 5; i++) {
    const gone = await database.query('SELECT 1').catch((error) => error)
    assert.equal(isStoreUnavailable(gone), true, String(gone))
  }
  await postgres.restart()
})
