/**
 * One list out of several cells' lists, each newest first. Pure: pages in, a page and the new positions out.
 *
 * A page of the merged list takes from each cell as much as its newest items deserve; what was fetched and not shown is fetched
 * again for the next page, from the position after the last item that was.
 */

export type Listed = { id: string; created_at: string }

/** Where to go on in a cell: after this id; null is the beginning. Cells that have nothing more are absent. */
export type Positions = Record<string, string | null>

export type CellPage<T> = { cell: string; from: string | null; items: T[]; next: string | null }

export function mergePages<T extends Listed>(
  pages: readonly CellPage<T>[],
  limit: number,
): { items: T[]; positions: Positions } {
  const items = pages
    .flatMap((page) => page.items)
    .sort(newestFirst)
    .slice(0, limit)
  const shown = new Set(items.map(({ id }) => id))
  const positions: Positions = {}
  for (const { cell, from, items: all, next } of pages) {
    const taken = all.filter(({ id }) => shown.has(id))
    if (taken.length < all.length) positions[cell] = taken.at(-1)?.id ?? from
    else if (next !== null) positions[cell] = next
  }
  return { items, positions }
}

/** Within one cell the ids say the order; between cells, their clocks do. */
function newestFirst(a: Listed, b: Listed): number {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1
  return a.id < b.id ? 1 : -1
}

/** Positions as an opaque cursor, and back. Cell ids and notification ids are ASCII. */
export function encodePositions(positions: Positions): string | null {
  return Object.keys(positions).length === 0 ? null : btoa(JSON.stringify(positions))
}

export function decodePositions(cursor: string): Positions {
  const refuse = (cause?: unknown) => new Error('the cursor is not one that list() gave', { cause })
  let value: unknown
  try {
    value = JSON.parse(atob(cursor))
  } catch (cause) {
    throw refuse(cause)
  }
  const isPosition = (p: unknown) => p === null || typeof p === 'string'
  if (typeof value !== 'object' || value === null || !Object.values(value).every(isPosition)) throw refuse()
  return value as Positions
}
