import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CRASH_POLICY, type CrashSuspects, createCrashSuspects } from './crash-suspects.ts'

const { windowMs, suspensionMs, suspensionMsMax, suspendedMax, accountsMax, commonMax } = CRASH_POLICY

/** The one that sent last first. */
const crash = (suspects: CrashSuspects, now: number, ...tenants: string[]) =>
  suspects.recordCrash(
    tenants.map((tenant) => ({ tenant, requests: 1 })),
    now,
  )

test('who is under way at two crashes is suspended; who was at one is cleared', () => {
  const suspects = createCrashSuspects()
  assert.equal(crash(suspects, 0, 'a', 'poison', 'b').suspended, null)
  assert.ok(suspects.isSuspect('a'))
  assert.equal(crash(suspects, 10, 'c', 'poison', 'd').suspended!.tenant, 'poison')
  assert.deepEqual([...suspects.suspended], ['poison'])
  for (const tenant of ['a', 'b', 'c', 'd']) assert.equal(suspects.isSuspect(tenant), false)
})

test('two crashes further apart than the window are none', () => {
  const suspects = createCrashSuspects()
  crash(suspects, 0, 'a')
  assert.equal(crash(suspects, windowMs, 'a').suspended, null)
})

test('a request that was answered elsewhere clears its tenant of that crash, once all of its requests were', () => {
  const suspects = createCrashSuspects()
  const first = suspects.recordCrash([{ tenant: 'a', requests: 2 }], 0)
  suspects.clearRequest(first.crash, 'a')
  assert.ok(suspects.isSuspect('a'))
  suspects.clearRequest(first.crash, 'a')
  assert.equal(suspects.isSuspect('a'), false)
  assert.equal(crash(suspects, 1, 'a').suspended, null)
})

test('those with crashes on them are told, the suspended ones first, each with when it had sent', () => {
  const suspects = createCrashSuspects()
  const first = suspects.recordCrash([{ tenant: 'a', requests: 1, sentMsBefore: 3 }], 0)
  const second = suspects.recordCrash([{ tenant: 'a', requests: 1, sentMsBefore: 5 }], 1)
  suspects.recordCrash([{ tenant: 'b', requests: 1 }], 2)
  const [a, b] = suspects.charged(2)
  assert.deepEqual(a!.charges, [
    { crash: first.crash, sentMsBefore: 3 },
    { crash: second.crash, sentMsBefore: 5 },
  ])
  assert.deepEqual([a!.suspension?.tenant, b!.tenant, b!.suspension], ['a', 'b', null])
  assert.equal(suspects.charged(1).length, 1)
})

test('an answer that comes after the suspension ends it', () => {
  const suspects = createCrashSuspects()
  crash(suspects, 0, 'a')
  const { crash: second } = crash(suspects, 1, 'a')
  suspects.clearRequest(second, 'a')
  assert.equal(suspects.suspended.size, 0)
})

test('of many that are equally suspected nobody is suspended, unless one leads clearly', () => {
  const many = Array.from({ length: commonMax + 1 }, (_, i) => `t${i}`)
  const unclear = createCrashSuspects()
  crash(unclear, 0, ...many)
  assert.equal(crash(unclear, 1, ...many.toReversed()).suspended, null)
  const clear = createCrashSuspects()
  crash(clear, 0, ...many)
  assert.equal(crash(clear, 1, ...many).suspended!.tenant, 't0')
})

test('a suspension ends, one more crash brings it back for twice as long, and a quiet window forgets it', () => {
  const suspects = createCrashSuspects()
  crash(suspects, 0, 'a')
  assert.equal(crash(suspects, 0, 'a').suspended!.until, suspensionMs)
  assert.deepEqual(suspects.tick(suspensionMs - 1), [])
  assert.deepEqual(suspects.tick(suspensionMs), ['a'])
  assert.equal(suspects.suspended.size, 0)
  const again = crash(suspects, suspensionMs + 1, 'a', 'b').suspended!
  assert.equal(again.tenant, 'a')
  assert.equal(again.until - again.since, 2 * suspensionMs)
  assert.deepEqual(suspects.tick(again.until), ['a'])
  assert.deepEqual(suspects.tick(again.until + windowMs), [])
  assert.equal(suspects.accountCount, 0)
})

test('a suspended tenant that goes on crashing cells stays suspended, within the limit', () => {
  const suspects = createCrashSuspects()
  crash(suspects, 0, 'a')
  for (let now = 0; now < 10 * suspensionMs; now += suspensionMs / 2) {
    crash(suspects, now, 'a')
    assert.deepEqual(suspects.tick(now + suspensionMs / 2 - 1), [])
    assert.ok(suspects.suspensions[0]!.until <= now + suspensionMsMax)
  }
})

const tenantName = fc.integer({ min: 0, max: 40 }).map((i) => `t${i}`)
const crashes = fc.array(
  fc.record({ tenants: fc.uniqueArray(tenantName, { maxLength: 30 }), wait: fc.nat(windowMs) }),
  { maxLength: 60 },
)

test('whatever crashes, one crash suspends one tenant at most, and only one that was at two', () => {
  fc.assert(
    fc.property(crashes, (list) => {
      const suspects = createCrashSuspects()
      const seen = new Map<string, number>()
      let now = 0
      for (const { tenants, wait } of list) {
        now += wait
        suspects.tick(now)
        const before = suspects.suspended
        const { suspended } = crash(suspects, now, ...tenants)
        for (const tenant of tenants) seen.set(tenant, (seen.get(tenant) ?? 0) + 1)
        assert.ok(suspects.suspended.size <= Math.min(before.size + 1, suspendedMax))
        if (suspended) assert.ok(tenants.includes(suspended.tenant) && seen.get(suspended.tenant)! >= 2)
      }
    }),
    { numRuns: 200 },
  )
})

test('a tenant that crashes a cell whenever it sends is found at the second crash among changing neighbours', () => {
  const neighbours = fc.uniqueArray(tenantName, { maxLength: 20 })
  fc.assert(
    fc.property(neighbours, neighbours, fc.nat(20), fc.nat(20), (first, second, at1, at2) => {
      const others = second.filter((tenant) => !first.includes(tenant))
      const suspects = createCrashSuspects()
      crash(suspects, 0, ...first.toSpliced(at1, 0, 'poison'))
      assert.equal(crash(suspects, 1, ...others.toSpliced(at2, 0, 'poison')).suspended?.tenant, 'poison')
    }),
  )
})

test('a busy neighbour that is under way at every crash too puts it off, and does not prevent it', () => {
  const order = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 })
  fc.assert(
    fc.property(order, (isPoisonLast) => {
      const suspects = createCrashSuspects()
      for (const [i, isLast] of isPoisonLast.entries()) {
        // Who is suspended sends no longer.
        const tenants = (isLast ? ['poison', 'busy'] : ['busy', 'poison']).filter(
          (tenant) => !suspects.suspended.has(tenant),
        )
        crash(suspects, i, ...tenants)
        if (suspects.suspended.has('poison')) return assert.ok(i < 4, `${i + 1} crashes`)
      }
      assert.fail('it was not found')
    }),
  )
})

test('memory is bounded, however many tenants are under way when cells crash', () => {
  const suspects = createCrashSuspects()
  for (let i = 0; i < 200; i++) {
    crash(suspects, i, ...Array.from({ length: 100 }, (_, j) => `t${i}-${j}`))
    assert.ok(suspects.accountCount <= accountsMax)
  }
})
