/**
 * A day without the control plane, in virtual time: cells go down and come back, a router is restarted from its disk, and
 * nobody tells routers anything. The question is what stops, what becomes of the health mark that the control plane left
 * behind, and what its return changes.
 *
 *     0 s         all is well
 *     30 s        a cell goes down; the control plane marks it
 *     60 s        the control plane is gone
 *     100 s       the cell is well again; its mark is still there
 *     120 s       the mark lapses: nobody has confirmed it for topology_ttl_seconds
 *     ... cells go down for minutes, one at a time ...
 *     12 h        a router is restarted
 *     24 h        the control plane is back, for five minutes
 *
 * Virtual are the clock, the network between all of them, and what a cell does with a request. What decides is what ships.
 */
import { seededRandom } from '@cellplane/testing'
import type { Plan } from '../gray-failure/plan.ts'
import {
  cellsOf,
  compileCells,
  createSigner,
  FLEET,
  fleetOf,
  unmarkedOverlay,
} from '../gray-failure/proxies/cells.ts'
import { takeClockOver, type VirtualClock } from './virtual-clock.ts'
import { createVirtualControl, type Published } from './virtual-control.ts'
import { createVirtualRouter, type VirtualRouter } from './virtual-router.ts'

export type DayPlan = {
  cells: number
  tenants: number
  requestsPerSecond: number
  outages: number
  seed: number
}

export type DayResult = {
  virtualHours: number
  requests: number
  failures: number
  /** Requests that took a second attempt: the price of finding each outage again. */
  secondAttempts: number
  outages: number
  /** Slots that were marked when the control plane went. */
  leftMarked: number[]
  /** From the moment in which the control plane was gone. */
  markLapsedAfterS: number
  /** The tenants of the cell that had been marked, at home a minute later. */
  homeAgain: { right: number; asked: number }
  /** The router that was restarted: tenants whom it sent where the other one did. */
  restarted: { right: number; asked: number }
  /** Requests after the return that went to another cell than in the minute before it. */
  movedByReturn: number
  marksAfterReturn: number
  refusals: string[]
}

const SERVICE: Plan['service'] = { concurrency: 6, workMs: 200, waitingMax: 36, brokenWorkMs: 0 }
const DAY_S = 24 * 3600
const MARKED_CELL = 3
const DOWN_FROM_S = 30
const GONE_FROM_S = 60
const DOWN_UNTIL_S = 100
const RESTART_S = DAY_S / 2
const AFTER_RETURN_S = 300
/** Routers ask for documents this often. */
const POLL_S = 5
const OUTAGE_S = { least: 60, most: 600 }
/** No outage while the end is compared with what was before it. */
const QUIET_S = 1800

export async function liveWithoutControlPlane(plan: DayPlan): Promise<DayResult> {
  const clock = takeClockOver()
  try {
    return await liveThrough(plan, clock)
  } finally {
    clock.restore()
  }
}

async function liveThrough(plan: DayPlan, clock: VirtualClock): Promise<DayResult> {
  const random = seededRandom(plan.seed)
  const ports = Array.from({ length: plan.cells }, (_, i) => 1000 + i)
  const { sign, keys } = createSigner()
  const base = sign(compileCells({ service: SERVICE }, ports, 'home-first'))
  const cells = cellsOf(SERVICE, ports)
  const fleet = fleetOf(plan.cells, 'home-first')
  const outages = drawOutages(plan, random)
  let second = 0
  const isUp = (slot: number) =>
    !outages.some((one) => one.slot === slot && second >= one.from && second < one.until)

  const startControl = (published: Published | null) =>
    createVirtualControl({ clock, fleet, cells, isUp, sign, published })
  const first = { base, overlay: sign(unmarkedOverlay()), confirmedAt: clock.now() }
  const startRouter = (disk = first) => createVirtualRouter(clock, keys, FLEET, isUp, disk)
  const routers: VirtualRouter[] = [startRouter(), startRouter()]
  let control: ReturnType<typeof startControl> | null = startControl({
    ...{ text: first.overlay, unhealthy: [], issuedAt: new Date(clock.now()).toISOString(), version: 1 },
  })

  let leftBehind: Published | null = null
  let leftMarked: number[] = []

  const tenants = Array.from({ length: plan.tenants }, (_, i) => `tenant-${i}`)
  const placesNow = (router: VirtualRouter) => tenants.map((tenant) => router.ask(tenant, random()).slot)
  const countSame = (a: readonly (number | null)[], b: readonly (number | null)[]) => ({
    right: a.filter((slot, i) => slot !== null && slot === b[i]).length,
    asked: a.length,
  })
  const counts = { requests: 0, failures: 0, secondAttempts: 0, movedByReturn: 0 }
  const refusals: string[] = []
  const atFirst = placesNow(routers[0]!)
  let places = atFirst
  let markLapsedAt = 0
  let homeAgain = { right: 0, asked: 0 }
  let restarted = { right: 0, asked: 0 }

  for (; second < DAY_S + AFTER_RETURN_S; second++) {
    clock.advance(1000)
    if (second === GONE_FROM_S) {
      leftBehind = control!.published()
      leftMarked = routers[0]!.marked()
      control = null
    }
    if (second === DAY_S) {
      places = placesNow(routers[0]!)
      control = startControl(leftBehind)
    }
    await control?.second()
    const published = control?.published()
    for (const router of routers) {
      if (published && second % POLL_S === 0) {
        const wrong = router.hear({ base, overlay: published.text })
        if (wrong !== '') refusals.push(`${second} s: ${wrong}`)
      }
      router.tick()
    }
    if (second === RESTART_S) {
      routers[1] = startRouter(routers[1]!.disk())
      restarted = countSame(placesNow(routers[1]), placesNow(routers[0]!))
    }
    const isMarked = routers.some((router) => router.marked().length > 0)
    if (second > GONE_FROM_S && markLapsedAt === 0 && !isMarked) markLapsedAt = second
    if (markLapsedAt > 0 && second === markLapsedAt + 60)
      homeAgain = countSame(placesNow(routers[0]!), atFirst)

    for (let i = 0; i < plan.requestsPerSecond; i++) {
      const nth = Math.floor(random() * tenants.length)
      const { slot, attempts } = routers[i % routers.length]!.ask(tenants[nth]!, random())
      counts.requests++
      if (slot === null) counts.failures++
      if (attempts > 1) counts.secondAttempts++
      if (second >= DAY_S && slot !== places[nth]) counts.movedByReturn++
    }
  }
  return {
    virtualHours: (DAY_S + AFTER_RETURN_S) / 3600,
    ...counts,
    outages: outages.length,
    leftMarked,
    markLapsedAfterS: markLapsedAt - GONE_FROM_S,
    homeAgain,
    restarted,
    marksAfterReturn: Math.max(...routers.map((router) => router.marked().length)),
    refusals,
  }
}

type Outage = { slot: number; from: number; until: number }

/** One at a time, so that each shard has a cell; the first one is the control plane's to see. */
function drawOutages({ cells, outages }: DayPlan, random: () => number): Outage[] {
  const all: Outage[] = [{ slot: MARKED_CELL, from: DOWN_FROM_S, until: DOWN_UNTIL_S }]
  const spanS = (DAY_S - 2 * QUIET_S) / outages
  for (let i = 0; i < outages; i++) {
    const lengthS = Math.min(spanS / 2, OUTAGE_S.least + random() * (OUTAGE_S.most - OUTAGE_S.least))
    const from = Math.round(QUIET_S + i * spanS + random() * (spanS / 2))
    all.push({ slot: Math.floor(random() * cells), from, until: Math.round(from + lengthS) })
  }
  return all
}
