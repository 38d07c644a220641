/**
 * Which few of very many tenants make most of something (errors, latency), and in which cells, in memory that does not
 * depend on how many tenants there are.
 *
 * It is the frequent-items sketch of Misra and Gries in the form for weights (Anderson and others, "A High-Performance
 * Algorithm for Identifying Frequent Items in Data Streams", 2017): a bounded table of counters; when it is full, the
 * median of all counters is taken off each, and who has nothing left goes. At least half of them go, so a purge is paid
 * for by the insertions before it.
 *
 *     what is told of a tenant  ≤  what is true  ≤  what is told + lostMax,   lostMax ≤ 2 × total / countersMax
 *
 * So a tenant with more than 0.2 % of the total (1,024 counters) is never missing, and none is ever blamed for more than it
 * did. That is why it is not Space-Saving, whose newcomer takes over the count of whom it displaced: here the answer puts
 * tenants into quarantine.
 *
 * Old counts go by half windows: what is read is the current half and the one before, five to ten seconds.
 */

export type HeavyHitterPolicy = {
  /** Tenants with a counter, in each half of the window. */
  countersMax: number
  windowMs: number
  /** Cells that a tenant's count is told apart for; what it does in more is counted, but not where. A shard has 8 at most. */
  cellsMax: number
}

export const HEAVY_HITTER_POLICY: HeavyHitterPolicy = { countersMax: 1_024, windowMs: 10_000, cellsMax: 16 }

/** By slot; more is made when a slot needs it. */
const CELLS_AT_FIRST = 64

export type CellCount = { slot: number; count: number }
export type HeavyHitter = { tenant: string; count: number; cells: CellCount[] }

/** What the window holds. */
export type HeavyHitterReading = {
  total: number
  /** By how much a tenant's count may be too low. */
  lostMax: number
  /** The heaviest first. */
  tenants: HeavyHitter[]
  /** By slot, all that happened there, and the part of the tenant that did most of it. */
  cells: Map<number, { total: number; ofOneTenant: number }>
}

export type HeavyHitters = {
  /** `tenant` is null for a caller without a key: it counts for the cell. `now` in ms that never step back. */
  add(tenant: string | null, slot: number, count: number, now: number): void
  read(tenantsMax: number, now: number): HeavyHitterReading
  /** At the moment, in both halves. */
  readonly counterCount: number
}

/** Whatever is counted lies in arrays beside each other: nothing is allocated for a tenant but its place in the Map. */
class Half {
  /** When it ends. */
  until = Number.NEGATIVE_INFINITY
  total = 0
  lost = 0
  /** By slot, and as long as the highest slot needs. */
  cells = new Float64Array(CELLS_AT_FIRST)
  readonly #policy: HeavyHitterPolicy
  readonly #places = new Map<string, number>()
  readonly #tenants: string[] = []
  readonly #counts: Float64Array
  /** By place, `cellsMax` of each: the slots + 1, 0 where there is none, and what was counted there. */
  readonly #slots: Int32Array
  readonly #parts: Float64Array

  constructor(policy: HeavyHitterPolicy) {
    const { countersMax, cellsMax } = policy
    this.#policy = policy
    this.#counts = new Float64Array(countersMax)
    this.#slots = new Int32Array(countersMax * cellsMax)
    this.#parts = new Float64Array(countersMax * cellsMax)
  }

  get size(): number {
    return this.#places.size
  }

  reset(until: number): void {
    this.until = until
    this.total = 0
    this.lost = 0
    this.cells.fill(0)
    this.#places.clear()
  }

  countCell(slot: number, count: number): void {
    this.total += count
    if (slot >= this.cells.length) {
      const longer = new Float64Array(2 * slot)
      longer.set(this.cells)
      this.cells = longer
    }
    this.cells[slot]! += count
  }

  countTenant(tenant: string, slot: number, count: number): void {
    const place = this.#places.get(tenant) ?? this.#take(tenant)
    this.#counts[place]! += count
    const { cellsMax } = this.#policy
    for (let i = place * cellsMax; i < (place + 1) * cellsMax; i++) {
      if (this.#slots[i] === 0) this.#slots[i] = slot + 1
      else if (this.#slots[i] !== slot + 1) continue
      this.#parts[i]! += count
      return
    }
  }

  *tenants(): Generator<HeavyHitter> {
    const { cellsMax } = this.#policy
    for (const [tenant, place] of this.#places) {
      const cells: CellCount[] = []
      for (let i = place * cellsMax; i < (place + 1) * cellsMax && this.#slots[i] !== 0; i++) {
        cells.push({ slot: this.#slots[i]! - 1, count: this.#parts[i]! })
      }
      yield { tenant, count: this.#counts[place]!, cells }
    }
  }

  #take(tenant: string): number {
    if (this.#places.size === this.#policy.countersMax) this.#purge()
    const place = this.#places.size
    const { cellsMax } = this.#policy
    this.#places.set(tenant, place)
    this.#tenants[place] = tenant
    this.#counts[place] = 0
    this.#slots.fill(0, place * cellsMax, (place + 1) * cellsMax)
    this.#parts.fill(0, place * cellsMax, (place + 1) * cellsMax)
    return place
  }

  /** Takes the median off every counter, and of its parts the same share; those that are left move together. */
  #purge(): void {
    const { countersMax, cellsMax } = this.#policy
    const median = this.#counts.toSorted()[countersMax >> 1]!
    this.lost += median
    this.#places.clear()
    for (let from = 0; from < countersMax; from++) {
      const count = this.#counts[from]!
      if (count <= median) continue
      const to = this.#places.size
      this.#places.set(this.#tenants[from]!, to)
      this.#tenants[to] = this.#tenants[from]!
      this.#counts[to] = count - median
      for (let i = 0; i < cellsMax; i++) {
        this.#slots[to * cellsMax + i] = this.#slots[from * cellsMax + i]!
        this.#parts[to * cellsMax + i] = this.#parts[from * cellsMax + i]! * ((count - median) / count)
      }
    }
  }
}

export function createHeavyHitters(policy: HeavyHitterPolicy = HEAVY_HITTER_POLICY): HeavyHitters {
  const halfMs = policy.windowMs / 2
  let current = new Half(policy)
  let former = new Half(policy)

  function turn(now: number): void {
    if (now < current.until) return
    const until = halfEnd(now, halfMs)
    const isNext = until === current.until + halfMs
    const emptied = former
    former = current
    if (!isNext) former.reset(until - halfMs)
    emptied.reset(until)
    current = emptied
  }

  return {
    add(tenant, slot, count, now) {
      turn(now)
      current.countCell(slot, count)
      if (tenant !== null) current.countTenant(tenant, slot, count)
    },
    read(tenantsMax, now) {
      turn(now)
      const tenants = merged([former, current])
      return {
        total: former.total + current.total,
        lostMax: former.lost + current.lost,
        tenants: tenants.sort((a, b) => b.count - a.count).slice(0, tenantsMax),
        cells: cellsOf([former, current], tenants),
      }
    },
    get counterCount() {
      return former.size + current.size
    },
  }
}

/** When the half of a window ends in which `now` is. */
export const halfEnd = (now: number, halfMs: number): number => (Math.floor(now / halfMs) + 1) * halfMs

function merged(halves: readonly Half[]): HeavyHitter[] {
  const all = new Map<string, HeavyHitter>()
  for (const one of halves.flatMap((half) => [...half.tenants()])) {
    const known = all.get(one.tenant)
    if (!known) {
      all.set(one.tenant, one)
      continue
    }
    known.count += one.count
    for (const { slot, count } of one.cells) {
      const cell = known.cells.find((other) => other.slot === slot)
      if (cell) cell.count += count
      else known.cells.push({ slot, count })
    }
  }
  return [...all.values()]
}

function cellsOf(halves: readonly Half[], tenants: readonly HeavyHitter[]): HeavyHitterReading['cells'] {
  const cells: HeavyHitterReading['cells'] = new Map()
  for (const half of halves) {
    for (const [slot, count] of half.cells.entries()) {
      if (count > 0) cells.set(slot, { total: (cells.get(slot)?.total ?? 0) + count, ofOneTenant: 0 })
    }
  }
  for (const { slot, count } of tenants.flatMap((one) => one.cells)) {
    const cell = cells.get(slot)!
    cell.ofOneTenant = Math.max(cell.ofOneTenant, count)
  }
  return cells
}
