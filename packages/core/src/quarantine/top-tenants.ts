/** Who stands out at the moment, over all routers: the figures that accusations are made of, for people. Pure. */
import type { RouterFigures } from './evidence.ts'

export type TopTenantsBy = 'errors' | 'crashes' | 'cost'

export type TopTenant = {
  tenant: string
  /** Of the window. 0 where no router that named the tenant says. */
  attempts: number
  errors: number
  /** Crashes of cells with its requests under way; one that two routers saw is counted by the one that saw most. */
  crashes: number
  isSuspended: boolean
  /** Time of cells that its requests took in the window, in ms. */
  costMs: number
  /** Slots, ascending. */
  slots: number[]
}

const MEASURES: Record<TopTenantsBy, (one: TopTenant) => number> = {
  errors: ({ errors }) => errors,
  crashes: ({ crashes }) => crashes,
  cost: ({ costMs }) => costMs,
}

/** Those with something of what is asked for, most of it first. */
export function topTenants(routers: readonly RouterFigures[], by: TopTenantsBy, max: number): TopTenant[] {
  const all = new Map<string, TopTenant>()
  const of = (tenant: string, places: readonly { slot: number }[]): TopTenant => {
    const known = all.get(tenant) ?? {
      tenant,
      attempts: 0,
      errors: 0,
      crashes: 0,
      isSuspended: false,
      costMs: 0,
      slots: [],
    }
    known.slots = [...new Set([...known.slots, ...places.map(({ slot }) => slot)])].sort((a, b) => a - b)
    all.set(tenant, known)
    return known
  }
  for (const { failing, charged, costly } of routers) {
    const attempts = new Map<string, number>()
    for (const one of failing) {
      of(one.tenant, one.cells).errors += one.errors
      attempts.set(one.tenant, one.attempts)
    }
    for (const one of charged) {
      const known = of(one.tenant, one.crashes)
      known.crashes = Math.max(known.crashes, one.crashes.length)
      known.isSuspended ||= one.isSuspended
      attempts.set(one.tenant, one.attempts)
    }
    for (const one of costly) {
      of(one.tenant, one.cells).costMs += one.ms
      attempts.set(one.tenant, one.attempts)
    }
    // One router tells a tenant's attempts with each of its figures: they are the same.
    for (const [tenant, count] of attempts) all.get(tenant)!.attempts += count
  }
  const measure = MEASURES[by]
  return [...all.values()]
    .filter((one) => measure(one) > 0)
    .sort((a, b) => measure(b) - measure(a))
    .slice(0, max)
}
