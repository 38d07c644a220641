/** The migration that gives cells the time of their registration, on rows that are there already. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { createFixtureFor, sql } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

const MIGRATION = '005-registered-at.sql'

test('cells of before get the time that the audit trail knows, and the others that of their state', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  const query = (text: string) => sql(fixture.databaseUrl, text)
  await fixture.startFleet()
  await fixture.call('addCell', { body: { id: 'cell-005' } })
  const { entries } = (await fixture.call('listAudit', { query: { limit: 100 } })).body
  await fixture.stop()
  const before = await query('SELECT key, document FROM cells ORDER BY key')

  await query(`DELETE FROM migrations WHERE file = '${MIGRATION}'`)
  await query("UPDATE cells SET document = (document::jsonb - 'registered_at')::json")
  await query("DELETE FROM audit WHERE document->>'subject' = 'cell-002'")
  await query(`INSERT INTO cells VALUES ('spoilt', '{"cell": {"id": 5}}')`)
  await fixture.start()
  await fixture.stop()

  const found = await query("SELECT key, document FROM cells WHERE key <> 'spoilt' ORDER BY key")
  type Row = { key: string; document: { cell: { state_since: string }; registered_at: string } }
  for (const { key, document } of found as Row[]) {
    const audited = entries.find(
      (one: { action: string; subject: string }) =>
        one.subject === key && (one.action === 'cell.register' || one.action === 'cell.add'),
    )
    assert.ok(audited, key)
    assert.equal(document.registered_at, key === 'cell-002' ? document.cell.state_since : audited.at, key)
  }
  assert.equal(found.length, before.length)
  const [spoilt] = await query("SELECT document FROM cells WHERE key = 'spoilt'")
  assert.deepEqual(spoilt!.document, { cell: { id: 5 } })
})
