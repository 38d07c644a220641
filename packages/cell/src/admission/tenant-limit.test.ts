import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTenantLimit } from './tenant-limit.ts'

/** A limit, the clock it goes by, and how many of a tenant's requests it lets through at this moment. */
function createGround(requestsPerSecondMax: number) {
  const clock = { now: 5_000 }
  const limit = createTenantLimit(requestsPerSecondMax, () => clock.now)
  const admitted = (tenant: string, count: number) =>
    Array.from({ length: count }, () => limit.take(tenant).ok).filter((isOk) => isOk).length
  return { clock, limit, admitted }
}

describe('a tenant’s cap at the cell', () => {
  test('lets a second’s worth through at once, and then the rate, exactly', () => {
    const { clock, admitted } = createGround(20)
    assert.equal(admitted('acme', 100), 20)
    let later = 0
    for (let ms = 0; ms < 10_000; ms++) {
      clock.now++
      later += admitted('acme', 3)
    }
    assert.equal(later, 200)
  })

  test('is each tenant’s own', () => {
    const { admitted } = createGround(5)
    assert.equal(admitted('acme', 50), 5)
    assert.equal(admitted('globex', 5), 5)
  })

  test('says after what time one more fits', () => {
    const { clock, limit, admitted } = createGround(0.5)
    assert.equal(admitted('acme', 1), 1)
    clock.now += 500
    const refused = limit.take('acme')
    assert.ok(!refused.ok)
    assert.equal(refused.waitMs, 1_500)
    clock.now += refused.waitMs
    assert.equal(admitted('acme', 1), 1)
  })

  test('of any number of tenants is remembered for those let through last', () => {
    const { admitted } = createGround(1)
    assert.equal(admitted('first', 2), 1)
    for (let i = 0; i < 9_999; i++) admitted(`tenant-${i}`, 1)
    assert.equal(admitted('first', 1), 0, 'there is room for it')
    admitted('one too many', 1)
    assert.equal(admitted('first', 1), 1, 'it was forgotten')
  })

  test('that lets nothing through is a mistake, and named', () => {
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => createTenantLimit(wrong), /expected a number above 0/)
    }
  })
})
