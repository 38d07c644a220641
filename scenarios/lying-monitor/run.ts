/**
 * A monitor that lies: the health checks of 60 % of the cells fail at once, and all requests go on being served.
 *
 * A control plane that believed it would take 60 % of the cells out and lay their load on the others. Here it is to
 * notice that requests succeed, freeze, say why, and go on by itself when the health checks are well again.
 */
import { waitFor } from '@cellplane/testing'
import type { Plan } from '../gray-failure/plan.ts'
import { type Instances, startInstances } from '../gray-failure/service/instances.ts'
import { type Planes, startPlanes } from '../planes.ts'
import { type SteadyLoad, startSteadyLoad } from '../steady-load.ts'

export type LyingPlan = {
  cells: number
  /** Whose health checks fail. */
  lying: readonly number[]
  tenants: number
  requestsPerSecond: number
  seed: number
  /** Requests have to be known before the lie, and go on for a while under it. */
  beforeMs: number
  underFreezeMs: number
  /** Of the fleet file. */
  health: Record<string, unknown>
}

export type LyingResult = {
  requests: number
  failures: Record<string, Record<string, number>>
  /** From the lie's begin. */
  frozenAfterMs: number
  reason: string
  /** Health marks that routers were told of, at most. */
  marksMax: number
  /** Verdicts on the cells whose health checks lied, while frozen. */
  verdicts: string[]
  /** Requests that another cell answered than the tenant's before the lie. */
  moved: number
  /** From the lie's end. */
  thawedAfterMs: number
}

const WAIT_MS = 60_000
/** Its work is a sleep; the cells are loaded to a few per cent. */
const SERVICE: Plan['service'] = { concurrency: 20, workMs: 20, waitingMax: 200, brokenWorkMs: 0 }

export async function lieAboutCells(plan: LyingPlan): Promise<LyingResult> {
  const instances = await startInstances({ instances: plan.cells, service: SERVICE })
  let planes: Planes | undefined
  let load: SteadyLoad | undefined
  try {
    planes = await startPlanes(instances.ports, { health: plan.health })
    load = await startSteadyLoad(plan, planes.routerUrls)
    const course = await lie(plan, planes, instances)
    return { ...(await load.stop()), ...course }
  } finally {
    await load?.stop()
    await planes?.stop()
    await instances.stop()
  }
}

async function lie({ lying, beforeMs, underFreezeMs }: LyingPlan, { admin }: Planes, instances: Instances) {
  let marksMax = 0
  const look = async () => {
    const [status, overlay] = await Promise.all([admin.getStatus(), admin.getOverlay()])
    marksMax = Math.max(marksMax, overlay.unhealthy.length)
    return status
  }
  const until = (what: string, isSo: (status: Awaited<ReturnType<typeof look>>) => boolean) =>
    waitFor(what, WAIT_MS, async () => {
      const status = await look()
      return isSo(status) && status
    })
  const passed = (ms: number) => {
    const end = performance.now() + ms
    return until(`${ms} ms to pass`, () => performance.now() >= end)
  }

  await passed(beforeMs)
  await instances.setHealthBroken(lying, true)
  const liedAt = performance.now()
  await until('automation to freeze', ({ automation }) => automation.is_frozen)
  const frozenAfterMs = performance.now() - liedAt
  await passed(underFreezeMs)
  const { automation, cells } = await look()
  await instances.setHealthBroken(lying, false)
  const toldAt = performance.now()
  await until('it to go on', ({ automation }) => !automation.is_frozen)
  return {
    frozenAfterMs,
    reason: automation.reason,
    marksMax,
    verdicts: cells.filter(({ slot }) => lying.includes(slot)).map(({ health }) => health),
    thawedAfterMs: performance.now() - toldAt,
  }
}
