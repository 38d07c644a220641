/**
 * Which tenants of a stateful fleet this cell is the home of, and at which generation.
 *
 * The register is the fence: it lives in the cell's own store, so that a cell that nobody can reach still knows, and a
 * router with old news is told 421 instead of being obeyed. Generations only rise. A tenant leaves by being registered at
 * a higher generation as not active, and from then on the old home refuses.
 */

export type Home = {
  tenant: string
  /** Rises whenever the tenant's home changes. */
  generation: number
  /** False: the tenant has left, or has not arrived yet. */
  isActive: boolean
}

/** A port; each adapter passes the same conformance suite. */
export type HomeRegister = {
  /** Writes unless a higher generation is known; says which of the two. Safe to repeat. */
  register(home: Home): Promise<'registered' | 'superseded'>
  current(tenant: string): Promise<Home | undefined>
}

/** For tests and for services that keep nothing: forgets everything when the process ends. */
export function createMemoryHomeRegister(): HomeRegister {
  const homes = new Map<string, Home>()
  return {
    async register(home) {
      const known = homes.get(home.tenant)
      if (known && known.generation > home.generation) return 'superseded'
      homes.set(home.tenant, { ...home })
      return 'registered'
    },
    async current(tenant) {
      return homes.get(tenant)
    },
  }
}
