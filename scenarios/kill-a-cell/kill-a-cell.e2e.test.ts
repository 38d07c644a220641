import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { deliveryKey } from '@cellplane/example-notifications/delivery-key'
import { arrivedKeys, issueTokens, signalAll, startFleet, type TestFleet, waitFor } from '@cellplane/testing'
import pg from 'pg'
import { type KillResult, killACell } from './run.ts'

describe('a cell that is killed under traffic', { timeout: 220_000 }, () => {
  let fleet: TestFleet
  let result: KillResult

  before(async () => {
    fleet = await startFleet({ cells: 4 })
    result = await killACell(fleet, {
      cell: 'cell-002',
      requestsPerSecond: 200,
      beforeMs: 5000,
      afterMs: 15_000,
      seed: 42,
    })
  })
  after(() => fleet?.remove())

  test('fails no post with an Idempotency-Key, no list, and no read that another cell holds', () => {
    assert.deepEqual(result.failures, [])
    assert.ok((result.byOperation['post']?.['ok'] ?? 0) > 1000, JSON.stringify(result.byOperation))
    assert.ok((result.byOperation['list']?.['ok'] ?? 0) > 400, JSON.stringify(result.byOperation))
  })

  test('answers reads that only it holds with the named 503, and nobody else does', () => {
    assert.ok(result.namedReads.forTheDeadCell > 0)
    assert.equal(result.namedReads.forOthers, 0)
  })

  test('costs the tenants of other cells nothing', () => {
    assert.ok(
      result.elsewhere.tenants > 50 && result.elsewhere.requests > 500,
      JSON.stringify(result.elsewhere),
    )
    assert.equal(result.elsewhere.failures, 0)
  })

  test('loses nothing that was accepted', () => {
    assert.ok(result.accepted > 1000)
    assert.deepEqual(result.delivered.missing, [])
  })

  test('is back by itself', () => {
    assert.ok(result.backAfterMs < 10_000, `${result.backAfterMs} ms`)
  })

  test('between commit and answer loses nothing, and delivers once, though the retry went to another cell', async () => {
    const tenant = 'committed-then-killed'
    const client = fleet.client()
    const home = (await client.getTenantRoute({ params: { tenant } })).cells[0]!.id
    await waitFor(
      `${home} to be healthy`,
      30_000,
      async () => (await client.getCell({ params: { cell: home } })).health === 'healthy',
    )
    const token = (await issueTokens(fleet, [tenant])).get(tenant)!

    const key = 'commit-then-kill'
    await withCommitHeld(fleet.cellDatabaseUrl(home), async (commit) => {
      const answer = fetch(`${fleet.routerUrl}/v1/notifications`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify({ channel: 'sms', to: '+4912345', body: 'once' }),
      })
      await commit.waitUntilHeld()
      // Stopped, the API cannot answer; then its commit goes through; then the whole cell dies.
      signalAll([fleet.componentPid(home, 'api')!], 'SIGSTOP')
      await commit.release()
      signalAll(fleet.cellPids(home), 'SIGKILL')
      const response = await answer
      assert.equal(response.status, 202)
      assert.notEqual(response.headers.get('cellplane-cell'), home)
    })

    await waitFor(
      `${home} to be back`,
      30_000,
      async () => (await client.getCell({ params: { cell: home } })).health === 'healthy',
    )
    const held = await waitFor('the committed notification to be delivered at home too', 30_000, async () => {
      const rows = await query(
        fleet.cellDatabaseUrl(home),
        'SELECT status FROM notification WHERE tenant = $1',
        [tenant],
      )
      return rows.length === 1 && rows[0]!['status'] === 'delivered' && rows
    })
    assert.equal(held.length, 1, 'the home had committed it')
    const arrived = await arrivedKeys(fleet)
    assert.ok(arrived.has(deliveryKey(tenant, { idempotencyKey: key })))
  })
})

/** Makes the next commit in `notification` wait inside the server, by a deferred trigger on an advisory lock. */
async function withCommitHeld(
  url: string,
  act: (commit: { waitUntilHeld(): Promise<unknown>; release(): Promise<void> }) => Promise<void>,
): Promise<void> {
  const LOCK = 4711
  const holder = new pg.Client({ connectionString: url })
  holder.on('error', () => {})
  await holder.connect()
  await holder.query(`
    CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(${LOCK}); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT ON notification DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit();
    SELECT pg_advisory_lock(${LOCK});`)
  await act({
    waitUntilHeld: () =>
      waitFor(
        'a commit to wait',
        10_000,
        async () =>
          (await holder.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`))
            .rowCount! > 0,
      ),
    async release() {
      await holder.query(`SELECT pg_advisory_unlock(${LOCK})`)
      await waitFor(
        'the commit to be through',
        10_000,
        async () =>
          (await holder.query('SELECT 1 FROM notification WHERE tenant = $1', ['committed-then-killed']))
            .rowCount! > 0,
      )
    },
  })
  await holder.end().catch(() => {})
  await waitFor('the trigger to be dropped', 30_000, async () => {
    await query(url, 'DROP TRIGGER IF EXISTS hold_commit ON notification', [])
    return true
  })
}

async function query(url: string, sql: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql, values)).rows
  } finally {
    await client.end()
  }
}
