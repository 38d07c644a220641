/**
 * Waits until a fleet that was just started serves, and tells how far it is.
 *
 * It serves when every cell that the fleet file declares is placed and healthy (those that an operator has drained are
 * left out) and every router routes by the newest base.
 */
import type { ApiClient } from '@cellplane/client'
import type { FleetStatus } from '@cellplane/contract/api'
import { pause } from '../pause.ts'

/** A fleet of 16 served after 39 s on two cores that did other work as well; a machine that is busier gets its time. */
const SERVING_MAX_MS = 300_000
const LOOK_EVERY_MS = 200
/** While nothing moves, say why this often. */
const REMIND_EVERY_MS = 15_000

export type Expectation = { cells: readonly string[]; routers: number }

export type Progress = {
  /** Up and answering, placed or not yet: the first placement waits for all of them. */
  cellsReady: number
  /** Placed and healthy. */
  cellsServing: number
  cellsExpected: number
  /** Serving cells that are placed, declared or not: what the fleet has. */
  cellsPlaced: number
  routersReady: number
  /** Why what is missing is missing, each in a sentence. */
  missing: string[]
}

/** Resolves with the last progress: complete, or as far as it came in five minutes. `onProgress` hears of every change. */
export async function waitUntilServing(
  client: ApiClient,
  expected: Expectation,
  onProgress: (progress: Progress, isReminder: boolean) => void,
  signal: AbortSignal,
): Promise<Progress> {
  const deadline = performance.now() + SERVING_MAX_MS
  let shown = ''
  let shownAt = performance.now()
  let progress: Progress = {
    cellsReady: 0,
    cellsServing: 0,
    cellsExpected: expected.cells.length,
    cellsPlaced: 0,
    routersReady: 0,
    missing: [],
  }
  while (performance.now() < deadline) {
    signal.throwIfAborted()
    // The control plane may be restarting: then the progress is what it was.
    const status = await client.getStatus({}, { signal }).catch(() => undefined)
    if (status) progress = progressOf(status, expected)
    const isReminder = performance.now() - shownAt > REMIND_EVERY_MS
    const now = JSON.stringify({ ...progress, missing: [] })
    if (now !== shown || isReminder) {
      onProgress(progress, isReminder)
      shown = now
      shownAt = performance.now()
    }
    if (isComplete(progress, expected)) break
    await pause(LOOK_EVERY_MS, signal)
  }
  signal.throwIfAborted()
  return progress
}

export function isComplete(progress: Progress, expected: Expectation): boolean {
  return progress.cellsServing >= progress.cellsExpected && progress.routersReady >= expected.routers
}

export function progressOf(status: FleetStatus, { cells, routers }: Expectation): Progress {
  const isLeftOut = new Set(
    status.cells
      .filter(({ state }) => ['draining', 'drained', 'retired'].includes(state))
      .map(({ id }) => id),
  )
  const wanted = cells.filter((id) => !isLeftOut.has(id))
  const byId = new Map(status.cells.map((cell) => [cell.id, cell]))
  const isServing = (id: string) => {
    const cell = byId.get(id)
    return cell?.state === 'active' && cell.health === 'healthy'
  }
  const current = status.routers.filter(
    (router) => router.is_reporting && status.base !== null && router.base?.version === status.base.version,
  )
  const missing = wanted
    .filter((id) => !isServing(id))
    .map((id) => {
      const cell = byId.get(id)
      const why = cell?.problem || cell?.reason
      return `${id} is ${cell?.state ?? 'not registered'}${why ? `: ${why}` : ''}`
    })
  if (current.length < routers)
    missing.push(`${current.length} of ${routers} routers route by the newest topology`)
  return {
    cellsReady: wanted.filter((id) => byId.get(id)?.state === 'ready' || isServing(id)).length,
    cellsServing: wanted.filter(isServing).length,
    cellsExpected: wanted.length,
    cellsPlaced: status.cells.filter(({ role, state }) => role === 'serving' && state === 'active').length,
    routersReady: current.length,
    missing,
  }
}
