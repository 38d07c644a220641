/**
 * A fleet is given another shape while customers use it: every command that changes placement, in the order in which an
 * operator would come to need them. Who notices, is what was stored found again, and did it move what was said?
 *
 * A cell gets more weight; traffic is evened out; a hot cell is split and merged again; a zone is left and taken back, after
 * one with too many cells was refused. Each by the CLI: what is planned is read, and that plan applied.
 */
import type { TopologyBase } from '@cellplane/contract'
import type { FleetStatus, PlacementPlan, VersionSummary } from '@cellplane/contract/api'
import {
  createTraffic,
  issueTokens,
  runLoad,
  TENANTS,
  type TestFleet,
  tally,
  waitFor,
} from '@cellplane/testing'
import {
  type Moves,
  movesBetween,
  movesInWords,
  type Shard,
  type Share,
  shardsOf,
  shareMoved,
} from './moves.ts'
import { readBack } from './read-back.ts'

export type Step = {
  /** The command line, without its reason. */
  command: string
  /** By the plan that was read; where there is none to read, by the history. */
  said: Moves
  moved: Moves
  /** Of the requests that routers had counted, those whose tenants get another cell, by the plan; null where none says it. */
  shareSaid: Share | null
  /** And of those that this load has sent. */
  shareMoved: Share
  /** From the command until every router had the base. */
  tookMs: number
}

export type ReshapeResult = {
  requests: number
  failures: Record<string, Record<string, number>>
  steps: Step[]
  /** What the budget said to leaving the zone with most cells. */
  refusal: string
  /** Notifications that were accepted meanwhile, and what came of reading each by its id at the end. */
  accepted: number
  readBack: Record<string, number>
}

const ROUTED_TIMEOUT_MS = 60_000
const CELL_TIMEOUT_MS = 60_000
const OBSERVED_TIMEOUT_MS = 30_000
/** Before plans are read: their share of the traffic is of what was counted, and of less it would say little. */
const REQUESTS_COUNTED = 500
/** Longer than all of it takes; the load is ended by then. */
const LOAD_MS_MAX = 600_000
const WEIGHT = 15

export async function reshape(
  fleet: TestFleet,
  plan: { requestsPerSecond: number; seed: number },
): Promise<ReshapeResult> {
  const tokens = await issueTokens(fleet)
  const traffic = createTraffic(fleet.routerUrl, tokens)
  const over = new AbortController()
  const requestsOf = new Map<string, number>()
  const steps: Step[] = []
  const change = createStepper(fleet, requestsOf, steps)
  const load = runLoad({
    requestsPerSecond: plan.requestsPerSecond,
    durationMs: LOAD_MS_MAX,
    tenants: TENANTS,
    seed: plan.seed,
    send(tenant, draw) {
      requestsOf.set(tenant, (requestsOf.get(tenant) ?? 0) + 1)
      return traffic.send(tenant, draw)
    },
    signal: over.signal,
  })

  let refusal: string
  try {
    const { zone, cells, other } = zonesOf(await fleet.status())
    const hot = cells[0]!

    await change.by(['cell', 'set', hot, '--weight', String(WEIGHT)])
    await waitFor(
      `${REQUESTS_COUNTED} requests to be counted`,
      OBSERVED_TIMEOUT_MS,
      async () => (await countedRequests(fleet)) >= REQUESTS_COUNTED,
    )
    await change.byPlan(['rebalance'])

    const added = await fleet.cli('cell', 'add', '--zone', zone, '--weight', '0', '--wait', '--json')
    const { id } = JSON.parse(added) as { id: string }
    await change.byPlan(['cell', 'split', hot, '--into', id])
    await waitFor(`${id} to serve`, CELL_TIMEOUT_MS, () => (traffic.answersBy.get(id) ?? 0) > 0)
    await change.byPlan(['cell', 'merge', id, '--into', hot])
    await waitForCells(fleet, [id], 'drained')

    refusal = await refusalOf(fleet, ['zone', 'evacuate', zone])
    const left = await change.by(['zone', 'evacuate', other])
    await waitForCells(fleet, left.cells, 'drained')
    await change.by(['zone', 'restore', other])
    await waitForCells(fleet, left.cells, 'active')
  } finally {
    over.abort()
  }
  const attempts = await load
  return {
    requests: attempts.length,
    failures: tally(attempts.filter(({ outcome }) => outcome !== 'ok')),
    steps,
    refusal,
    accepted: traffic.accepted.size,
    readBack: await readBack(fleet.routerUrl, tokens, [...traffic.accepted.values()]),
  }
}

/** Runs one change after the other, each when every router has the one before, and writes down what it moved. */
function createStepper(fleet: TestFleet, requestsOf: ReadonlyMap<string, number>, steps: Step[]) {
  function write(
    args: readonly string[],
    said: Moves,
    before: readonly Shard[],
    base: TopologyBase,
    tookMs: number,
    shareSaid: Share | null,
  ): void {
    const after = shardsOf(base)
    steps.push({
      command: ['cellplane', ...args].join(' '),
      said,
      moved: movesBetween(before, after),
      shareSaid,
      shareMoved: shareMoved(requestsOf, base, before, after),
      tookMs,
    })
  }

  async function run(args: readonly string[], how: readonly string[], read?: ReadPlan) {
    const before = await routedBase(fleet)
    const [shardsBefore, beganAt] = [shardsOf(before), performance.now()]
    const answer: unknown = JSON.parse(await fleet.cli(...args, ...how, '--reason', 'reshaping', '--json'))
    const after = await routedBase(fleet, before.version + 1)
    const tookMs = performance.now() - beganAt
    const inWords = read?.plan.moved ?? movesInWords(await historyOf(fleet, before.version))
    write(args, inWords, shardsBefore, after, tookMs, read?.share ?? null)
    return answer as { cells: string[] }
  }

  return {
    by: (args: readonly string[]) => run(args, []),
    /** A plan that would move nothing is a step too: the fleet is in balance already. */
    async byPlan(args: readonly string[]): Promise<void> {
      const before = shardsOf(await routedBase(fleet))
      const read = await readPlan(fleet, args)
      if (read.plan.plan !== null) await run(args, ['--apply', read.plan.plan], read)
      else write(args, read.plan.moved, before, await routedBase(fleet), 0, read.share)
    },
  }
}

type ReadPlan = { plan: PlacementPlan; share: Share | null }

async function readPlan(fleet: TestFleet, args: readonly string[]): Promise<ReadPlan> {
  const of = await countedRequests(fleet)
  const plan = JSON.parse(await fleet.cli(...args, '--json')) as PlacementPlan
  return { plan, share: plan.traffic_share === null ? null : { share: plan.traffic_share, of } }
}

/** By routers, of all tenants, of late: what plans judge by. */
async function countedRequests(fleet: TestFleet): Promise<number> {
  const { tenants } = await fleet.client().listTenants({ query: { limit: TENANTS.length } })
  return tenants.reduce((sum, one) => sum + one.recent_requests, 0)
}

/** The newest base, once every router routes by it: not before may the next change begin. */
function routedBase(fleet: TestFleet, versionMin = 0): Promise<TopologyBase> {
  return waitFor(`a base from ${versionMin} on in every router`, ROUTED_TIMEOUT_MS, async () => {
    const { base, routers } = await fleet.status()
    const isRouted = routers.every((router) => router.base?.version === base?.version)
    if (base === null || base.version < versionMin || !isRouted) return undefined
    const document = await fleet.client().getBase()
    return document.version === base.version && document
  })
}

/** What was written down about the bases that came after this one. */
async function historyOf(fleet: TestFleet, version: number): Promise<string> {
  const versions = JSON.parse(await fleet.cli('topology', 'history', '--json')) as VersionSummary[]
  return versions
    .filter((one) => one.version > version)
    .map(({ reason }) => reason)
    .join('\n')
}

/** What the CLI says to a change that it is to refuse. */
async function refusalOf(fleet: TestFleet, args: readonly string[]): Promise<string> {
  const refused = fleet.cli(...args, '--reason', 'reshaping')
  return await refused.then(
    () => '',
    (error: { stderr?: string }) => (error.stderr ?? String(error)).trim(),
  )
}

function waitForCells(fleet: TestFleet, ids: readonly string[], state: string): Promise<boolean> {
  return waitFor(`${ids.join(', ')} to be ${state}`, CELL_TIMEOUT_MS, async () => {
    const { cells } = await fleet.status()
    return ids.every((id) => cells.some((cell) => cell.id === id && cell.state === state))
  })
}

/** The zone with most cells that take part in placement, these cells, and another zone. */
function zonesOf({ cells }: FleetStatus): { zone: string; cells: string[]; other: string } {
  const placed = cells.filter(({ role, state }) => role === 'serving' && state === 'active')
  const byZone = [...Map.groupBy(placed, ({ zone }) => zone)].sort(([, a], [, b]) => b.length - a.length)
  const [[zone, most] = [], [other] = []] = byZone
  if (zone === undefined || most === undefined || other === undefined)
    throw new Error(
      `the fleet has ${byZone.length} zones with serving cells; a zone can be left where there are 2`,
    )
  return { zone, cells: most.map(({ id }) => id), other }
}
