import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type CellPage,
  decodePositions,
  encodePositions,
  type Listed,
  mergePages,
  type Positions,
} from './merge-pages.ts'

/** Cells as arrays, newest first; paged as the API pages them. */
function pageOf(
  cells: Record<string, Listed[]>,
  cell: string,
  from: string | null,
  limit: number,
): CellPage<Listed> {
  const all = cells[cell]!
  const start = from === null ? 0 : all.findIndex(({ id }) => id === from) + 1
  const items = all.slice(start, start + limit)
  return { cell, from, items, next: start + limit < all.length ? items.at(-1)!.id : null }
}

test('paging through several cells shows everything once, newest first, whatever the spread and the limit', () => {
  const times = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 })
  fc.assert(
    fc.property(
      fc.array(times, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 9 }),
      (spread, limit) => {
        const cells = Object.fromEntries(
          spread.map((ms, c) => [
            `cell-${c}`,
            [...ms]
              .sort((a, b) => b - a)
              .map((at, i) => ({
                id: `ntf_${c}_${String(999 - i)}`,
                created_at: new Date(at).toISOString(),
              })),
          ]),
        )
        const seen: Listed[] = []
        let positions: Positions = Object.fromEntries(Object.keys(cells).map((cell) => [cell, null]))
        for (let rounds = 0; Object.keys(positions).length > 0; rounds++) {
          assert.ok(rounds <= 200, 'every page makes progress')
          const pages = Object.entries(positions).map(([cell, from]) => pageOf(cells, cell, from, limit))
          const merged = mergePages(pages, limit)
          seen.push(...merged.items)
          positions = merged.positions
        }
        const expected = Object.values(cells).flat()
        assert.equal(seen.length, expected.length)
        assert.deepEqual(new Set(seen.map(({ id }) => id)), new Set(expected.map(({ id }) => id)))
        for (const [i, item] of seen.entries())
          if (i > 0) assert.ok(seen[i - 1]!.created_at >= item.created_at)
      },
    ),
  )
})

test('a cursor survives its journey, and anything else is refused', () => {
  const positions = { 'cell-001': 'ntf_0_abc', 'cell-002': null }
  assert.deepEqual(decodePositions(encodePositions(positions)!), positions)
  assert.equal(encodePositions({}), null)
  for (const bad of ['', 'x', '%%%', btoa('7'), btoa('{"cell-001": 7}'), btoa('{')]) {
    assert.throws(() => decodePositions(bad), /the cursor is not one that list\(\) gave/, bad)
  }
})
