/** One suite for the port; every adapter runs it. The fence inside a transaction is PostgreSQL's own. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { waitFor } from '@cellplane/testing'
import { Pool } from 'pg'
import { createMemoryHomeRegister, type HomeRegister } from './home-register.ts'
import { createPostgresHomeRegister, holdHome } from './postgres.ts'

let postgres: TestPostgres
let pool: Pool
before(async () => {
  postgres = await startTestPostgres()
  pool = new Pool({ connectionString: postgres.url, max: 3 })
  const register = createPostgresHomeRegister(pool)
  await register.bootstrap()
  await register.bootstrap()
})
after(async () => {
  await pool?.end()
  await postgres?.stop()
})

const ADAPTERS: Record<string, () => HomeRegister> = {
  memory: createMemoryHomeRegister,
  postgres: () => createPostgresHomeRegister(pool),
}

for (const [name, create] of Object.entries(ADAPTERS)) {
  describe(`home register in ${name}`, () => {
    test('a tenant that was never registered has no home here', async () => {
      assert.equal(await create().current('nobody'), undefined)
    })

    test('what is registered is current, also after a repetition', async () => {
      const register = create()
      const home = { tenant: 'acme', generation: 1, isActive: true }
      assert.equal(await register.register(home), 'registered')
      assert.equal(await register.register(home), 'registered')
      assert.deepEqual(await register.current('acme'), home)
    })

    test('a higher generation replaces a lower one, and never the other way round', async () => {
      const register = create()
      await register.register({ tenant: 'globex', generation: 3, isActive: true })
      await register.register({ tenant: 'globex', generation: 4, isActive: false })
      const late = { tenant: 'globex', generation: 3, isActive: true }
      assert.equal(await register.register(late), 'superseded')
      assert.deepEqual(await register.current('globex'), { ...late, generation: 4, isActive: false })
    })
  })
}

test('a home that is held does not move until the transaction ends', async () => {
  const register = createPostgresHomeRegister(pool)
  await register.register({ tenant: 'initech', generation: 1, isActive: true })
  const transaction = await pool.connect()
  await transaction.query('BEGIN')
  assert.equal(await holdHome(transaction, 'initech', 2), false)
  assert.equal(await holdHome(transaction, 'initech', 1), true)
  let hasMoved = false
  const move = register.register({ tenant: 'initech', generation: 2, isActive: false }).then(() => {
    hasMoved = true
  })
  await waitFor('the move to wait for the transaction', 10_000, async () => {
    const { rows } = await pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return rows.length > 0
  })
  assert.equal(hasMoved, false)
  await transaction.query('COMMIT')
  await move
  assert.equal(await holdHome(transaction, 'initech', 1), false)
  transaction.release()
})
