/**
 * What becomes true after the faults: convergence, within 60 virtual seconds, and rest.
 *
 * **Converged**: one replica leads, every router has the newest documents, every live cell serves, and the routers' shares of
 * a cap that is always reached come to the whole of it.
 *
 * **At rest**: on top of it, nothing in the fleet is still on its way to something else. Each part says the same at every
 * further turn of its loop (a healthy probe of a healthy cell, a plan that is the one in force, an overlay that says
 * again what it said), so the state after any number of turns is the state now, but for counters and stamps. Time may
 * then be skipped, up to the next thing that time itself brings: a fault, or a former table that runs out. The world's
 * monotonic clocks stand still meanwhile, so nothing ages that would not have been renewed; what goes by the wall clock
 * sees the time go by, and does then what it would have done bit by bit (an overlay is confirmed anew at once).
 *
 * **Waiting for a router's own time**: all of that, but a router still remembers a tenant that was under way at a crash.
 * Only its own clock ends that, so that clock alone is set forward (`World.age`). It is sound because nothing else of a
 * router at rest depends on its age: no mark counts down, no cell is out or on its ramp, and the windows say "all is well"
 * empty as well as full.
 */
import type { Cell } from '@cellplane/contract'
import { CRASH_POLICY } from '@cellplane/core'
import { NO_TROUBLE } from './cell-node.ts'
import { sharesOf } from './invariants.ts'
import type { SimulatedFleet } from './simulated-fleet.ts'
import type { World } from './world.ts'

/** Of a cap: a division stays while it is off by little, and routers are told one after the other. */
const SHARES_OFF_MAX = 0.1

/** Why not yet, in words; empty when everybody has the newest and every live cell serves. */
export function whyNotConverged(fleet: SimulatedFleet): string {
  const leader = fleet.leader()
  if (!leader) return 'no replica has the lease'
  const base = leader.published.base()
  const overlay = leader.published.overlay()
  if (!base || !overlay) return `${leader.owner.place} has published nothing`
  const held = leader.automation.view()
  if (held.is_frozen) return `automation is frozen: ${held.reason}`
  if (held.problems.length > 0) return `the control plane has problems: ${held.problems.join('; ')}`
  for (const router of fleet.routers.values()) {
    const topology = router.topology()
    const has = topology?.snapshot.base
    if (leader.published.wave()) return `base ${base.version} is still watched at one router`
    if (!has || has.epoch !== base.epoch || has.version !== base.version) {
      return `${router.place} has base ${has?.epoch}.${has?.version}; the newest is ${base.epoch}.${base.version}`
    }
    const marks = topology.overlay
    if (!marks || marks.epoch !== overlay.epoch || marks.version !== overlay.version) {
      return `${router.place} has overlay ${marks?.epoch}.${marks?.version}; the newest is ${overlay.epoch}.${overlay.version}`
    }
    for (const cell of topology.snapshot.cells) {
      if (cell.state !== 'active') continue
      if (!fleet.cells.get(cell.id)?.isWell()) return `cell ${cell.id} is active and does not serve`
      if (router.view()?.fitness[cell.index] === 0) {
        return `${router.place} does not use cell ${cell.id}, which serves`
      }
    }
  }
  const shares = sharesOf(fleet)
  if (Math.abs(shares - 1) > SHARES_OFF_MAX)
    return `routers hold ${shares.toFixed(2)} of a cap that is always reached`
  return ''
}

/** Why time may not be skipped, in words; empty at rest, the routers' own memories apart. Asked of a fleet that has converged. */
export function whyNotAtRest(world: World, fleet: SimulatedFleet): string {
  const leader = fleet.leader()!
  for (const cell of registeredCells(fleet)) {
    if (cell.state === 'provisioning' || cell.state === 'ready' || cell.state === 'draining') {
      return `cell ${cell.id} is ${cell.state}`
    }
    const node = fleet.cells.get(cell.id)
    if (cell.state === 'retired') {
      if (node?.isUp()) return `cell ${cell.id} is retired and runs`
      continue
    }
    if (!node?.isUp()) return `cell ${cell.id} is down`
    if (JSON.stringify(node.trouble) !== JSON.stringify(NO_TROUBLE)) return `cell ${cell.id} is in trouble`
    // Asked on the leader's own clock.
    const why = world.as(leader.owner, () => leader.observations.whyNotServing(cell))
    if (why !== null) return `cell ${cell.id}: ${why}`
  }
  const marks = leader.published.overlay()?.overlay.unhealthy ?? []
  if (marks.length > 0) return `slot ${marks[0]!.slot} is marked`
  const [quarantined] = leader.published.overlay()?.overlay.quarantined ?? []
  if (quarantined) return `${quarantined.tenant} is in quarantine`
  for (const host of fleet.hosts.values()) {
    const text = fleet.server.read('orders', host.host)
    const newest = text === undefined ? undefined : (JSON.parse(text) as { epoch: number; version: number })
    const { order } = host.folder
    if (!order || order.epoch !== newest?.epoch || order.version !== newest.version) {
      return `${host.host} has not the newest order`
    }
  }
  for (const router of fleet.routers.values()) {
    const slow = router.view()!.fitness.findIndex((fitness) => fitness < 255)
    if (slow >= 0) return `${router.place} has not yet given cell index ${slow} its full share`
  }
  for (const replica of fleet.controls.values()) {
    if (replica.published.base()?.version !== leader.published.base()?.version)
      return `${replica.owner.place} is behind`
  }
  return ''
}

/** How long until routers forget what they hold against tenants, in ms; 0 when they hold nothing. */
export function routersRemember(world: World, fleet: SimulatedFleet): number {
  let longest = 0
  for (const { owner, crashes, tenants } of fleet.routers.values()) {
    const clock = world.as(owner, () => performance.timeOrigin + performance.now())
    for (const { until } of crashes.suspensions) longest = Math.max(longest, until - clock)
    const isSuspecting = fleet.load.tenants.some((tenant) => crashes.isSuspect(tenants.of(tenant)))
    if (isSuspecting) longest = Math.max(longest, CRASH_POLICY.windowMs)
  }
  return longest
}

/** When the next former table runs out, in ms since the epoch; infinite without one. */
export function nextExpiry(fleet: SimulatedFleet): number {
  const tables = fleet.leader()?.published.base()?.document.former_tables ?? []
  return Math.min(...tables.map((one) => Date.parse(one.until)), Number.POSITIVE_INFINITY)
}

/** Rows that were read before, by their text: they hardly ever change. */
const rows = new Map<string, Cell>()
const ROWS_MAX = 1_000

export function registeredCells({ server }: SimulatedFleet): Cell[] {
  return server.keys('cells').map((key) => {
    const text = server.read('cells', key)!
    let cell = rows.get(text)
    if (!cell) {
      if (rows.size >= ROWS_MAX) rows.clear()
      cell = (JSON.parse(text) as { cell: Cell }).cell
      rows.set(text, cell)
    }
    return cell
  })
}
