import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseRouterShares, ROUTER_SHARES_BYTES_MAX, type RouterShares } from './router-shares.ts'

const GOOD: RouterShares = {
  routers: 3,
  cells: [{ slot: 0, share: 0.5 }],
  tenants: [{ tenant: 'acme', share: 1 }],
  valid_seconds: 10,
}

const codesOf = (text: string): string[] => {
  const parsed = parseRouterShares(text)
  return parsed.ok ? [] : parsed.problems.map(({ code, path }) => `${code} ${path}`)
}
const refusalOf = (change: Record<string, unknown>) => codesOf(JSON.stringify({ ...GOOD, ...change }))

describe('shares of limits', () => {
  test('are read as they are written', () => {
    assert.deepEqual(parseRouterShares(JSON.stringify(GOOD)), { ok: true, value: GOOD })
  })

  test('may be none, from who divides nothing', () => {
    assert.deepEqual(refusalOf({ routers: 0, cells: [], tenants: [], valid_seconds: 0 }), [])
    assert.deepEqual(refusalOf({ routers: 0 }), ['TOO_SMALL routers'])
  })

  test('are refused for what is missing, unknown or out of bounds', () => {
    assert.deepEqual(refusalOf({ tenants: undefined }), ['INVALID_TYPE tenants'])
    assert.deepEqual(refusalOf({ more: 1 }), ['UNKNOWN_FIELD more'])
    assert.deepEqual(refusalOf({ cells: [{ slot: 0, share: 1.01 }] }), ['TOO_LARGE cells[0].share'])
    assert.deepEqual(refusalOf({ cells: [{ slot: 0, share: -0.01 }] }), ['TOO_SMALL cells[0].share'])
    assert.deepEqual(refusalOf({ valid_seconds: 61 }), ['TOO_LARGE valid_seconds'])
    assert.deepEqual(refusalOf({ routers: 1.5 }), ['INVALID_TYPE routers'])
    const crowd = Array.from({ length: 1_001 }, (_, i) => ({ tenant: `tenant-${i}`, share: 1 }))
    assert.deepEqual(refusalOf({ tenants: crowd }), ['TOO_LARGE tenants'])
    assert.deepEqual(codesOf(JSON.stringify(GOOD).replace('0.5', '1e999')), ['TOO_LARGE cells[0].share'])
  })

  test('are refused, and never thrown at, whatever comes', () => {
    assert.deepEqual(codesOf('{"routers":'), ['INVALID_TYPE '])
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        assert.equal(parseRouterShares(text).ok, false)
      }),
    )
  })

  test('of the most cells and tenants with the longest names are no larger than is read', () => {
    const most: RouterShares = {
      routers: 1_000,
      cells: Array.from({ length: 10_000 }, (_, i) => ({ slot: 55_000 + i, share: 1 / 3 })),
      // A quote takes two bytes in JSON: no key of 256 bytes takes more.
      tenants: Array.from({ length: 1_000 }, () => ({ tenant: '"'.repeat(256), share: 1 / 3 })),
      valid_seconds: 10,
    }
    const text = JSON.stringify(most)
    assert.ok(Buffer.byteLength(text) <= ROUTER_SHARES_BYTES_MAX, `${Buffer.byteLength(text)} bytes`)
    assert.ok(parseRouterShares(text).ok)
  })
})
