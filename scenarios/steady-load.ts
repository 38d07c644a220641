/**
 * Requests of all tenants while something happens that no request should see: what failed, and what was answered by
 * another cell than the one that answered the tenant first.
 */
import { runLoad, tally } from '@cellplane/testing'
import { createCaller } from './caller.ts'

export type SteadyLoadPlan = { tenants: number; requestsPerSecond: number; seed: number }

export type SteadyLoad = Awaited<ReturnType<typeof startSteadyLoad>>

/** Longer than any scenario takes; it is ended by `stop`. */
const LOAD_MS_MAX = 600_000

/** Asks each tenant's cell first, and sends from then on, to the routers at `urls` in turn. */
export async function startSteadyLoad(plan: SteadyLoadPlan, urls: readonly string[]) {
  const ask = createCaller(urls)
  const tenants = Array.from({ length: plan.tenants }, (_, i) => `tenant-${i}`)
  const cellOf = new Map<string, string>()
  for (const tenant of tenants) cellOf.set(tenant, (await ask(tenant)).cell)
  const over = new AbortController()
  let moved = 0
  const running = runLoad({
    requestsPerSecond: plan.requestsPerSecond,
    durationMs: LOAD_MS_MAX,
    tenants: tenants.map((id) => ({ id, weight: 1 })),
    seed: plan.seed,
    signal: over.signal,
    send: async (tenant) => {
      const { outcome, cell } = await ask(tenant)
      if (outcome === 'ok' && cell !== cellOf.get(tenant)) moved++
      return { operation: 'get', outcome }
    },
  })
  return {
    /** How many tenants another router sends to the same cell. */
    async compare(url: string) {
      const askIt = createCaller([url])
      let right = 0
      for (const tenant of tenants) {
        const { outcome, cell } = await askIt(tenant)
        if (outcome === 'ok' && cell === cellOf.get(tenant)) right++
      }
      return { right, asked: tenants.length }
    },
    /** May be called again. */
    async stop() {
      over.abort()
      const attempts = await running
      const failures = tally(attempts.filter(({ outcome }) => outcome !== 'ok'))
      return { requests: attempts.length, failures, moved }
    },
  }
}
