/**
 * Two cells on one store are one cell: whatever fells the store fells both. So stores are compared by where they are
 * and, since one server has many addresses, by what they call themselves.
 */
import { type Cell, type Problem, problem } from '@cellplane/contract'

/** A problem STORES_SHARED at each store that an earlier cell (by slot) has as well. Retired cells do not count. */
export function sharedStores(cells: readonly Pick<Cell, 'id' | 'slot' | 'state' | 'stores'>[]): Problem[] {
  const owners = new Map<string, string>()
  return cells
    .filter((cell) => cell.state !== 'retired')
    .sort((a, b) => a.slot - b.slot)
    .flatMap((cell) =>
      cell.stores.flatMap((store, i) => {
        const names = [`${store.kind} at ${store.location}`]
        if (store.identity !== undefined) names.push(`${store.kind} named ${store.identity}`)
        const taken = names.find((name) => (owners.get(name) ?? cell.id) !== cell.id)
        if (taken === undefined) {
          for (const name of names) owners.set(name, cell.id)
          return []
        }
        return [
          problem(
            'STORES_SHARED',
            `${cell.id}.stores[${i}]`,
            `cell "${cell.id}" uses the ${taken}, which is cell "${owners.get(taken)}"'s; a cell shares nothing, so give it a store of its own`,
          ),
        ]
      }),
    )
}
