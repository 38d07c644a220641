/**
 * The cell's own word on its health: each dependency is asked, all at once, each within a bound.
 *
 * Anyone who reaches the port may ask, so an answer is shared for a moment (a probe storm costs the dependencies nothing) and
 * an error is shown by its code or name only: messages carry hosts and user names.
 */
import type { CellHealth } from '@cellplane/contract/cell'

/** Resolves when the dependency works. The signal ends with the check's time. */
export type DependencyCheck = (signal: AbortSignal) => Promise<unknown>

/** Below the default probe timeout of a fleet (1 s), so that the prober hears which dependency hangs. */
const CHECK_TIMEOUT_MS = 800
/** Well below a fleet's probe interval (1 s by default), so that every probe sees fresh news. */
const SHARED_FOR_MS = 250

export type HealthCheck = () => Promise<CellHealth>

export function createHealthCheck(options: {
  cell: string
  release: string
  dependencies: Readonly<Record<string, DependencyCheck>>
  isStopping: () => boolean
}): HealthCheck {
  const { cell, release } = options
  let askedAt = Number.NEGATIVE_INFINITY
  let answer: Promise<CellHealth['dependencies']> | undefined

  return async () => {
    if (!answer || performance.now() - askedAt >= SHARED_FOR_MS) {
      askedAt = performance.now()
      answer = checkAll(options.dependencies)
    }
    const dependencies = await answer
    const isFailing = Object.values(dependencies).some(({ status }) => status === 'failing')
    const status = options.isStopping() ? 'stopping' : isFailing ? 'failing' : 'ok'
    return { status, cell, release, dependencies }
  }
}

async function checkAll(
  checks: Readonly<Record<string, DependencyCheck>>,
): Promise<CellHealth['dependencies']> {
  const entries = Object.entries(checks).map(async ([name, check]) => [name, await checkOne(check)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

async function checkOne(check: DependencyCheck): Promise<CellHealth['dependencies'][string]> {
  const startedAt = performance.now()
  const latency = () => Math.round((performance.now() - startedAt) * 10) / 10
  const { promise: late, reject } = Promise.withResolvers<never>()
  const giveUp = new AbortController()
  const timer = setTimeout(() => {
    giveUp.abort()
    reject(Object.assign(new Error(), { code: 'TIMEOUT' }))
  }, CHECK_TIMEOUT_MS)
  try {
    await Promise.race([check(giveUp.signal), late])
    return { status: 'ok', latency_ms: latency() }
  } catch (error) {
    const { code, name } = error as { code?: unknown; name?: string }
    return {
      status: 'failing',
      latency_ms: latency(),
      error: typeof code === 'string' ? code : (name ?? 'Error'),
    }
  } finally {
    clearTimeout(timer)
  }
}
