/**
 * Tenants that cells have by name: an override sends them there whatever the table says. A cell that drains with such tenants
 * would never be empty, so who asks for it is told whose they are. Pure.
 */
import type { Override } from '@cellplane/contract'

/** How many tenants are named. */
const TENANTS_NAMED_MAX = 5

/**
 * Of the cells with these slots; undefined when there are none. `count` and `names` are for a sentence, and `arePins` says
 * whether to unpin them is all that it takes: others have their data there.
 */
export function placedByName(
  slots: readonly number[],
  overrides: readonly Override[],
): { count: number; names: string; arePins: boolean } | undefined {
  const bound = overrides.filter((override) => override.cells.some((slot) => slots.includes(slot)))
  if (bound.length === 0) return undefined
  const named = bound.slice(0, TENANTS_NAMED_MAX).map((override) => override.tenant)
  return {
    count: bound.length,
    names: `${named.join(', ')}${bound.length > named.length ? ' and others' : ''}`,
    arePins: bound.every((override) => override.reason === 'pin'),
  }
}
