/** The answers to routers' reports as they come over the API, of a control plane with a store and a lease. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseWith, type RouterShares, routerSharesSchema } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { type Answer, exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

/** Of each cell; a tenant's cap is half of it. */
const RATE = 100

let postgres: TestPostgres
before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('two routers that say what arrives are told their shares by the replica that leads, and nothing by another', async (t) => {
  const cells = { count: 4, retention_hours: 1, capacity: { requests_per_second: RATE } }
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ cells }))
  await fixture.startFleet()
  const leader = fixture.control()
  const follower = await fixture.start()

  const report = (router: string, requests: number, at = leader): Promise<Answer> =>
    fixture.call('reportRouter', {
      role: 'router',
      at,
      body: {
        router,
        started_at: '2026-01-01T00:00:00.000Z',
        at: new Date().toISOString(),
        base: null,
        overlay: null,
        refused_documents: 0,
        last_refusal: null,
        cells: [],
        tenants: [],
        arrivals: { ms: 1_000, cells: [], tenants: [{ tenant: 'acme', requests }] },
      },
    })

  const told = await fixture.waitFor('shares of the cap', async () => {
    const { body } = await report('a', 3 * RATE)
    await report('b', RATE)
    const shares = body as RouterShares
    const [busiest] = shares.tenants
    return busiest && busiest.share < 0.9 ? shares : undefined
  })
  assert.ok(told && parseWith(routerSharesSchema, told).ok)
  assert.equal(told.routers, 2)
  assert.equal(told.valid_seconds, 10)
  assert.deepEqual(
    told.tenants.map(({ tenant }) => tenant),
    ['acme'],
  )
  assert.ok(told.tenants[0]!.share > 0.6, `${told.tenants[0]!.share} of the cap, where three quarters arrive`)
  assert.equal((await report('a', 3 * RATE, follower)).status, 503)
})
