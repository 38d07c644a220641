import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { createHeavyHitters, HEAVY_HITTER_POLICY } from './heavy-hitters.ts'
import { countInWindow, createWindowCount, readWindowCount } from './window-count.ts'

/** What is alive, after a collection. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const { windowMs, countersMax } = HEAVY_HITTER_POLICY

test('what tenants did is told exactly, and where, while there are counters enough', () => {
  const sketch = createHeavyHitters()
  for (const [tenant, slot, count] of [
    ['a', 0, 3],
    ['b', 1, 1],
    ['a', 1, 2],
    [null, 1, 4],
  ] as const)
    sketch.add(tenant, slot, count, 0)
  const { total, lostMax, tenants, cells } = sketch.read(10, 0)
  assert.deepEqual([total, lostMax], [10, 0])
  assert.deepEqual(tenants, [
    {
      tenant: 'a',
      count: 5,
      cells: [
        { slot: 0, count: 3 },
        { slot: 1, count: 2 },
      ],
    },
    { tenant: 'b', count: 1, cells: [{ slot: 1, count: 1 }] },
  ])
  // A caller without a key counts for its cell.
  assert.deepEqual(cells.get(1), { total: 7, ofOneTenant: 2 })
  assert.equal(sketch.read(1, 0).tenants.length, 1)
})

test('no tenant is told more than it did, and none less by more than the bound', () => {
  const step = fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 50 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const policy = { countersMax: 8, windowMs: 1_000, cellsMax: 4 }
      const sketch = createHeavyHitters(policy)
      const truth = new Map<string, number>()
      for (const [tenant, slot, count] of steps) {
        sketch.add(`t${tenant}`, slot, count, 0)
        truth.set(`t${tenant}`, (truth.get(`t${tenant}`) ?? 0) + count)
      }
      const { total, lostMax, tenants } = sketch.read(100, 0)
      assert.ok(lostMax <= (2 * total) / policy.countersMax, `${lostMax} of ${total}`)
      const told = new Map(tenants.map((one) => [one.tenant, one]))
      for (const [tenant, count] of truth) {
        const found = told.get(tenant)?.count ?? 0
        assert.ok(found <= count && count <= found + lostMax, `${tenant}: ${found}, in truth ${count}`)
      }
      for (const { count, cells } of tenants) {
        assert.ok(cells.reduce((sum, cell) => sum + cell.count, 0) <= count + 1e-6)
      }
      assert.ok(sketch.counterCount <= policy.countersMax)
    }),
  )
})

test('what is older than the window is gone, and half of it stays for half of the time', () => {
  const sketch = createHeavyHitters()
  const attempts = createWindowCount()
  const both = (now: number) => [sketch.read(1, now).total, readWindowCount(attempts, now)]
  sketch.add('a', 0, 1, 0)
  countInWindow(attempts, 0)
  assert.deepEqual(both(windowMs / 2), [1, 1])
  sketch.add('a', 0, 1, windowMs / 2)
  countInWindow(attempts, windowMs / 2)
  assert.deepEqual(both(windowMs - 1), [2, 2])
  assert.deepEqual(both(windowMs), [1, 1])
  assert.deepEqual(both(1.5 * windowMs), [0, 0])
  sketch.add('a', 0, 1, 9 * windowMs)
  assert.deepEqual(sketch.read(1, 10 * windowMs).total, 0)
})

test('one bad tenant among a million is told, in a few megabytes', { timeout: 60_000 }, (t) => {
  const before = bytesInUse()
  const sketch = createHeavyHitters()
  for (let i = 0; i < 1_000_000; i++) {
    sketch.add(`tenant-${i}`, i % 100, 1, i < 500_000 ? 0 : windowMs / 2)
    if (i % 200 === 0) sketch.add('bad', i % 2, 1, i < 500_000 ? 0 : windowMs / 2)
  }
  const { tenants, lostMax, total } = sketch.read(1, windowMs / 2)
  assert.equal(tenants[0]!.tenant, 'bad')
  assert.ok(tenants[0]!.count <= 5_000 && tenants[0]!.count + lostMax >= 5_000)
  assert.ok(lostMax <= (2 * total) / countersMax)
  assert.ok(sketch.counterCount <= 2 * countersMax)
  const bytes = bytesInUse() - before
  t.diagnostic(`${(bytes / 1e6).toFixed(1)} MB for a million tenants`)
  assert.ok(bytes < 20e6, `${bytes} bytes`)
  assert.ok(sketch.read(1, windowMs / 2).total > 1_000_000)
})
