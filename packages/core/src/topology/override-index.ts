/**
 * Tenant → override, found by the hash that a lookup has computed anyway.
 *
 * A Map would hash the key a second time and follow pointers to its entries: with 100,000 overrides that costs more than
 * all the rest of a lookup. This is open addressing with linear probing, and an array of one-byte tags before it: a
 * tenant without an override, which is nearly every one, is told by a look or two at an array that stays in the cache.
 *
 * Whoever can choose tenant ids can choose ids whose hashes collide, so the probing has a limit. What does not find a
 * free entry within it goes to a Map, which is looked into only after a probe that came to the limit.
 */

/** Half of the entries are free or more, so runs of this length do not come by chance. */
const PROBES_MAX = 64

const TAG_FREE = 0

export type OverrideIndex = {
  readonly tenants: readonly string[]
  /** Seven bits of the tenant's hash with a leading 1, or TAG_FREE. Their number is a power of two. */
  readonly tags: Uint8Array
  /** Beside each tag, the position in `tenants`. */
  readonly positions: Uint32Array
  readonly overflow: ReadonlyMap<string, number>
}

/** Tenants are different from each other; `hashOf` gives a signed 32-bit integer. */
export function buildOverrideIndex(
  tenants: readonly string[],
  hashOf: (tenant: string) => number,
): OverrideIndex {
  let size = 1
  while (size < 2 * tenants.length) size *= 2
  const tags = new Uint8Array(size)
  const positions = new Uint32Array(size)
  const overflow = new Map<string, number>()
  for (const [position, tenant] of tenants.entries()) {
    const hash = hashOf(tenant)
    const entry = firstFree(tags, hash)
    if (entry < 0) {
      overflow.set(tenant, position)
    } else {
      tags[entry] = tagOf(hash)
      positions[entry] = position
    }
  }
  return { tenants, tags, positions, overflow }
}

/** The position of the tenant, or −1. */
export function findOverride(index: OverrideIndex, tenant: string, hash: number): number {
  const { tags, positions, tenants } = index
  const mask = tags.length - 1
  const wanted = tagOf(hash)
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const entry = (hash + probe) & mask
    const tag = tags[entry]!
    if (tag === TAG_FREE) return -1
    if (tag === wanted && tenants[positions[entry]!] === tenant) return positions[entry]!
  }
  return index.overflow.get(tenant) ?? -1
}

function firstFree(tags: Uint8Array, hash: number): number {
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const entry = (hash + probe) & (tags.length - 1)
    if (tags[entry] === TAG_FREE) return entry
  }
  return -1
}

/** From the high bits; the low ones say where to look. */
function tagOf(hash: number): number {
  return 0x80 | (hash >>> 25)
}
