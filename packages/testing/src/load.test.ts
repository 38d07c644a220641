import assert from 'node:assert/strict'
import { test } from 'node:test'
import { percentile, runLoad, seededRandom, tally, zipfWeights } from './load.ts'

test('the load is open: a service that answers late still gets every request', async () => {
  const pending: (() => void)[] = []
  const attempts = runLoad({
    requestsPerSecond: 500,
    durationMs: 200,
    tenants: [{ id: 'a', weight: 1 }],
    seed: 1,
    send: () =>
      new Promise((resolve) => {
        pending.push(() => resolve({ operation: 'get', outcome: 'ok' }))
        if (pending.length === 100) for (const answer of pending) answer()
      }),
  })
  assert.deepEqual(tally(await attempts), { get: { ok: 100 } })
})

test('tenants send in proportion to their weights', async () => {
  const tenants = zipfWeights(3).map((weight, i) => ({ id: `t${i}`, weight }))
  const counts = new Map<string, number>()
  await runLoad({
    requestsPerSecond: 20_000,
    durationMs: 100,
    tenants,
    seed: 7,
    send: async (tenant) => {
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
      return { operation: 'get', outcome: 'ok' }
    },
  })
  const share = (id: string) => (counts.get(id) ?? 0) / 2000
  assert.ok(
    Math.abs(share('t0') - 6 / 11) < 0.05 && Math.abs(share('t2') - 2 / 11) < 0.05,
    JSON.stringify([...counts]),
  )
})

test('the same seed draws the same numbers', () => {
  const [a, b] = [seededRandom(5), seededRandom(5)]
  assert.deepEqual(Array.from({ length: 5 }, a), Array.from({ length: 5 }, b))
})

test('a percentile is one of the values', () => {
  assert.equal(percentile([5, 1, 4, 2, 3], 0.5), 3)
  assert.equal(percentile([1], 0.99), 1)
})
