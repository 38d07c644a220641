/**
 * Tenant → override, found by the hash that a lookup has computed anyway.
 *
 * A Map would hash the key a second time and follow pointers to its entries: with 100,000 overrides that costs more than
 * all the rest of a lookup. Here a filter comes first, two bits of one word for each tenant: one look at an array that
 * stays in the cache tells nearly every tenant without an override. Behind it is open addressing with linear probing.
 * One word is an entry: of a table with 2^n entries, the low n bits hold the position + 1, and the other bits are those
 * of the hash. The hash's low n bits already say where to look, so a tenant is compared only where the hash agrees.
 *
 *     8–16 bytes an override for the entries, 2–4 for the filter, 4 for where its tenant starts, 2 for each character
 *
 * Nothing in it is an object or a string: it is built in one process and handed to another as it is, and the collector
 * has nothing to look at. The tenants lie one after the other in one array, as the 16-bit codes that a key is compared by.
 * That is one cache miss fewer than a pointer to a string, and a loop over the characters more: nothing is lost for ids of
 * 13 characters, 100 ns for ids of 36 that have an override. Who has none is told by the filter, and costs the same.
 *
 * Measured against one-byte tags and positions beside them: where one tenant in ten has an override a whole lookup takes
 * 137 ns instead of 146; where all have one nothing is won (252 and 239, within what runs differ by).
 *
 * Whoever can choose tenant ids can choose ids whose hashes collide, so the probing has a limit. What does not find a
 * free entry within it goes to a sorted list, which is searched only after a probe that came to the limit.
 */

/** Half of the entries are free or more, so runs of this length do not come by chance. */
const PROBES_MAX = 64

const ENTRY_FREE = 0

/** What stands for an entry where a tenant gets none. */
const NO_ENTRY = -1
const REPEATED = -2

/** At 16–32 bits a tenant, of which two are set, one key in 52–144 without an override passes (measured). */
const FILTER_BITS_PER_TENANT = 16

export type OverrideIndex = {
  /** The tenants' UTF-16 codes, one tenant after the other. */
  readonly text: Uint16Array
  /** Where each tenant starts in `text`; one more closes the last. */
  readonly starts: Uint32Array
  /** Their number is a power of two. */
  readonly filter: Int32Array
  /** High bits of the hash with the position + 1 below them, or ENTRY_FREE. Their number is a power of two. */
  readonly entries: Int32Array
  /** Positions of the tenants that found no entry, in the order of their text. */
  readonly overflow: Uint32Array
}

/**
 * `hashOf` gives a signed 32-bit integer. `repeated` gets the positions of tenants that stand before as well, in order: they
 * are seen where they would be put, for next to nothing, while a set of 100,000 strings takes 55 ms.
 */
export function buildOverrideIndex(
  tenants: readonly string[],
  hashOf: (tenant: string) => number,
  repeated: number[] = [],
): OverrideIndex {
  const { text, starts } = packTexts(tenants)
  const entries = new Int32Array(powerOfTwo(2 * tenants.length))
  const filter = new Int32Array(powerOfTwo((FILTER_BITS_PER_TENANT * tenants.length) / 32))
  const overflow: number[] = []
  const mask = entries.length - 1
  for (const [position, tenant] of tenants.entries()) {
    const hash = hashOf(tenant)
    filter[filterWord(hash, filter.length)]! |= filterBits(hash)
    const entry = entryFor(tenant, hash, entries, tenants)
    if (entry === REPEATED) repeated.push(position)
    else if (entry === NO_ENTRY) overflow.push(position)
    else entries[entry] = (hash & ~mask) | (position + 1)
  }
  sortOverflow(overflow, tenants, repeated)
  return { text, starts, filter, entries, overflow: Uint32Array.from(overflow) }
}

/** The position of the tenant, or −1. */
export function findOverride(index: OverrideIndex, tenant: string, hash: number): number {
  const { filter, entries } = index
  const bits = filterBits(hash)
  if ((filter[filterWord(hash, filter.length)]! & bits) !== bits) return -1
  const mask = entries.length - 1
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const entry = entries[(hash + probe) & mask]!
    if (entry === ENTRY_FREE) return -1
    if (((entry ^ hash) & ~mask) === 0) {
      const position = (entry & mask) - 1
      if (isTenant(index, position, tenant)) return position
    }
  }
  return findInOverflow(index, tenant)
}

function isTenant({ text, starts }: OverrideIndex, position: number, tenant: string): boolean {
  const start = starts[position]!
  const length = tenant.length
  if (starts[position + 1]! - start !== length) return false
  for (let i = 0; i < length; i++) if (text[start + i] !== tenant.charCodeAt(i)) return false
  return true
}

function findInOverflow(index: OverrideIndex, tenant: string): number {
  const { overflow } = index
  let low = 0
  let high = overflow.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const position = overflow[middle]!
    if (isTenant(index, position, tenant)) return position
    if (isBefore(index, position, tenant)) low = middle + 1
    else high = middle
  }
  return -1
}

/** Whether the text at that position comes before `tenant`, compared as strings are: by their codes. */
function isBefore({ text, starts }: OverrideIndex, position: number, tenant: string): boolean {
  const start = starts[position]!
  const length = starts[position + 1]! - start
  for (let i = 0; i < length; i++) {
    if (i === tenant.length) return false
    const difference = text[start + i]! - tenant.charCodeAt(i)
    if (difference !== 0) return difference < 0
  }
  return length < tenant.length
}

function packTexts(texts: readonly string[]): Pick<OverrideIndex, 'text' | 'starts'> {
  const starts = new Uint32Array(texts.length + 1)
  for (const [i, text] of texts.entries()) starts[i + 1] = starts[i]! + text.length
  const text = new Uint16Array(starts[texts.length]!)
  let at = 0
  for (const one of texts) for (let i = 0; i < one.length; i++) text[at++] = one.charCodeAt(i)
  return { text, starts }
}

/** The first free entry, or that there is none, or that the tenant has one already: its hash leads past it. */
function entryFor(tenant: string, hash: number, entries: Int32Array, tenants: readonly string[]): number {
  const mask = entries.length - 1
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const at = (hash + probe) & mask
    const entry = entries[at]!
    if (entry === ENTRY_FREE) return at
    if (((entry ^ hash) & ~mask) === 0 && tenants[(entry & mask) - 1] === tenant) return REPEATED
  }
  return NO_ENTRY
}

/** By their text, so that those of one tenant are side by side. */
function sortOverflow(overflow: number[], tenants: readonly string[], repeated: number[]): void {
  if (overflow.length === 0) return
  overflow.sort((a, b) => (tenants[a]! < tenants[b]! ? -1 : tenants[a] === tenants[b] ? a - b : 1))
  for (const [i, position] of overflow.entries()) {
    if (i > 0 && tenants[overflow[i - 1]!] === tenants[position]) repeated.push(position)
  }
  repeated.sort((a, b) => a - b)
}

function filterWord(hash: number, words: number): number {
  return (hash >>> 5) & (words - 1)
}

/** By the lowest and the highest five bits of the hash; those between choose the word. */
function filterBits(hash: number): number {
  return (1 << hash) | (1 << (hash >>> 27))
}

/**
 * The least power of two that is at least `least`, and 2 or more: a position + 1 has to fit below the number of
 * entries, also that of a single tenant.
 */
function powerOfTwo(least: number): number {
  let power = 2
  while (power < least) power *= 2
  return power
}
