/**
 * What the faults happen on: a fleet of four cells, so that there are tenants who share nothing with a cell that fails,
 * and a load of theirs that goes on while it does.
 *
 *     victims     home cell-0, alternate cell-1     whom the fault is done to, when it is a cell's
 *     neighbours  home cell-1, alternate cell-0     half of their shard is the victims' refuge
 *     others      home cell-2 or cell-3             what they see is the blast radius
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Router, RouterDeps } from '../router.ts'
import { send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'
import { type Load, type LoadOptions, type Seen, startLoad } from './load.ts'

export type Group = 'victims' | 'neighbours' | 'others'

export type Ground = {
  readonly fleet: FakeFleet
  /** Starts a load of the group's tenants; it is stopped with the ground, if not before. */
  load(port: number, group: Group, more?: Partial<LoadOptions>): Load
  /** Before what they run against goes away. */
  stopLoads(): Promise<void>
}

/** Enough to be at every moment of a fault, and little enough that a busy machine carries it. */
const PER_SECOND = 40

/**
 * The router's own limit for a cell's answer. An answer takes milliseconds, and a machine that is busy with other things
 * has added ten seconds. What shows that nobody waits is the order: so many requests begin and end while a fault lasts.
 */
const PATIENCE_MS = 30_000

const GROUPS: Record<Group, readonly (readonly [number, number])[]> = {
  victims: [[0, 1]],
  neighbours: [[1, 0]],
  others: [
    [2, 3],
    [3, 2],
  ],
}
const TENANTS_OF_A_SHARD = 3

/** Runs a test on a fleet of its own, and takes everything down again. */
export async function onGround(run: (ground: Ground) => Promise<void>): Promise<void> {
  const fleet = await startFakeFleet({ cells: 4 })
  const loads: Load[] = []
  const tenantsOf = (group: Group) =>
    GROUPS[group].flatMap(([home, alternate]) =>
      Array.from({ length: TENANTS_OF_A_SHARD }, (_, nth) => fleet.tenantOn(home, alternate, nth)),
    )
  const stopLoads = async () => {
    await Promise.all(loads.map((load) => load.stop()))
  }
  try {
    await run({
      fleet,
      stopLoads,
      load(port, group, more = {}) {
        const cells = GROUPS[group][0]!.map((slot) => `cell-${slot}`)
        const load = startLoad({ port, perSecond: PER_SECOND, tenants: tenantsOf(group), cells, ...more })
        loads.push(load)
        return load
      },
    })
  } finally {
    await stopLoads()
    await fleet.stop()
  }
}

/** A router in this process that has both documents. */
export async function startReadyRouter(
  fleet: FakeFleet,
  options: RouterOptions = {},
  deps: RouterDeps = {},
): Promise<Router> {
  const router = await fleet.startRouter(options, deps)
  await until('both documents', async () => {
    const { base, overlay } = await statusOf(router)
    return base && overlay
  })
  return router
}

// biome-ignore lint/suspicious/noExplicitAny: tests name the fields of the page
export const statusOf = async ({ adminPort }: { adminPort: number }): Promise<any> =>
  (await send(adminPort, { path: '/status' })).json

/** Not one request failed, and none waited for the fault. The figures go to the test's report. */
export function assertUnharmed(t: TestContext, who: string, seen: Seen): void {
  tell(t, who, seen)
  assert.deepEqual(seen.outcomes, { ok: seen.requests }, who)
  assert.ok(seen.slowestMs < PATIENCE_MS, `${who}: one took ${seen.slowestMs} ms`)
}

/** Nothing but these became of the requests. */
export function assertOnly(t: TestContext, who: string, seen: Seen, outcomes: readonly string[]): void {
  tell(t, who, seen)
  const others = Object.keys(seen.outcomes).filter((outcome) => !outcomes.includes(outcome))
  assert.deepEqual(others, [], who)
}

function tell(t: TestContext, who: string, { requests, outcomes, slowestMs, medianMs }: Seen): void {
  const what = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`)
  t.diagnostic(
    `${who}: ${requests} requests, ${what.join(', ')}; median ${medianMs} ms, slowest ${slowestMs} ms`,
  )
}
