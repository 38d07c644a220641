/**
 * One seed, from the first process to the last second: a fleet that starts, a bout of faults, and the quiet around it.
 *
 *     start ─▶ converged ─▶ at rest ═skip═▶ bout of faults ─▶ converged within 60 s ─▶ at rest ═skip═▶ end
 *
 * Back of the envelope. Ten days are 864,000 s. A second of the whole fleet is some 350 events: 17 probes, 3 × 5 router
 * ticks, 48 requests of two or three events each, 3 + 4 reports, a dozen statements, a run of the reconcilers. At about
 * 5 µs for an event with the shipped code behind it that is nearly 2 ms, so ten days second by second would take half an
 * hour. But faults are dense where they are: 84 seeds of a start (20 s), a bout of a minute and a minute until all is
 * at rest are some 12,000 s that have to be lived through, and that is well below a minute. What is between them is
 * skipped, which `rest.ts` justifies. So the figure to hold down is the time from the last fault to rest, and it is why a
 * router's memory of suspects, two minutes long, has a rule of its own there.
 *
 * Documents are few: a base is planned, checked, signed and taken by five readers in some 10 ms, two to six times a seed; an
 * overlay costs 1 ms with its six verifications, ten times. So Ed25519, 0.1 ms a verification, is a few per cent. The
 * rest is spread thin: reports and their parsing, the collector of garbage, the routers' ticks.
 */
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { type Ground, scheduleBout } from './faults.ts'
import { createInvariants, type InvariantName, type Invariants } from './invariants.ts'
import { createNetwork } from './network.ts'
import { lookAfter, registerTenant } from './operators.ts'
import { nextExpiry, routersRemember, whyNotAtRest, whyNotConverged } from './rest.ts'
import { type Bugs, type SimulatedFleet, startFleet } from './simulated-fleet.ts'
import { takeOver } from './takeover.ts'
import { createTrace, type Trace } from './trace.ts'
import { createWorld, type World } from './world.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600_000

/** Of one seed. 84 of them are ten and a half days and 5,040 faults. */
const BOUTS = 1
const FAULTS_PER_BOUT = 60
const BOUT_MS = { least: 45_000, most: 75_000 }
const LENGTH_MS = 3 * HOUR_MS

/** The promise: everybody has the newest, and every live cell serves, within this after the last fault. */
const CONVERGE_MS = 60_000
/** A fleet that starts has more to do: hosts learn of their cells, cells start, the first placement waits for them. */
const START_MS = 120_000
/** What may take longest to come to rest: a suspension that was doubled up to its limit, and the probation after it. */
const REST_MS = 900_000

export type SimulationOptions = {
  bugs?: Bugs
  /** False: the quiet is lived through as well, second by second. For checking that skipping it changes nothing. */
  doesSkip?: boolean
  /** Names of faults that are to come more often: for a search that knows what it is after. */
  favoured?: readonly string[]
  /** Names of faults that are not to come. */
  without?: readonly string[]
  bouts?: number
  lengthMs?: number
}

export type SimulationResult = {
  seed: number
  kind: FleetFile['kind']
  /** Simulated time, skips included. */
  elapsedMs: number
  /** Of it, what was not skipped. */
  livedMs: number
  faults: number
  events: number
  requests: { sent: number; failed: number }
  violation: { invariant: InvariantName; message: string } | null
  /** What happened last, and who knew what at the end. */
  trace: string[]
  /** Two runs of one seed have the same. */
  digest: string
  /** What the control plane decided, without the numbers and dates by which it was said: cells, table, overrides. */
  decided: string
}

/** The operator on duty looks this often. */
const ON_DUTY_MS = 10_000

/** How much of the trace a violation shows. */
const TRACE_SHOWN = 80

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  const {
    bugs = {},
    doesSkip = true,
    favoured = [],
    without = [],
    bouts = BOUTS,
    lengthMs = LENGTH_MS,
  } = options
  const world = createWorld(seed)
  const network = createNetwork(world)
  const trace = createTrace(world)
  const invariants = createInvariants(world, trace)
  const kind: FleetFile['kind'] = seed % 2 === 0 ? 'stateless' : 'stateful'
  const giveBack = takeOver(world, network)
  let faults = 0
  try {
    const fleet = startFleet({ world, network, trace, invariants, kind, bugs })
    const ground: Ground = { world, network, fleet, trace, random: world.random.fork('faults') }
    const run: Run = { ground, world, fleet, network, invariants, trace }
    let isFine = await converge(run, START_MS, 'the start')
    if (isFine) await registerSome(ground, run)
    for (let bout = 0; isFine && bout < bouts; bout++) {
      isFine = await rest(run, ((bout + 1) / (bouts + 1)) * lengthMs, doesSkip)
      if (!isFine) break
      const boutMs = ground.random.between(BOUT_MS.least, BOUT_MS.most)
      scheduleBout(ground, FAULTS_PER_BOUT, boutMs, { favoured, without })
      faults += FAULTS_PER_BOUT
      isFine = (await live(run, boutMs + 1)) && (await converge(run, CONVERGE_MS, 'the faults ceased'))
    }
    if (isFine) await rest(run, lengthMs, doesSkip)
    const violation = invariants.violation()
    return {
      seed,
      kind,
      elapsedMs: world.elapsed(),
      livedMs: world.now(),
      faults,
      events: world.steps(),
      requests: fleet.counts,
      violation: violation ? { invariant: violation.invariant, message: violation.message } : null,
      trace: [...trace.last(TRACE_SHOWN), 'who knew what:', ...whoKnewWhat(fleet)],
      digest: digestOf(world, fleet, trace),
      decided: decisionsOf(fleet),
    }
  } finally {
    giveBack()
  }
}

type Run = {
  ground: Ground
  world: World
  fleet: SimulatedFleet
  network: { isWhole(a: string, b: string): boolean }
  invariants: Invariants
  trace: Trace
}

/** Second by second, checking; false as soon as something is violated. */
async function live({ world, fleet, network, invariants }: Run, ms: number): Promise<boolean> {
  const end = world.now() + ms
  while (world.now() < end) {
    await world.runUntil(Math.min(end, world.now() + SECOND_MS))
    invariants.checkRouters(fleet, network.isWhole)
    invariants.checkLimits(fleet)
    if (invariants.violation()) return false
  }
  return true
}

async function converge(run: Run, withinMs: number, since: string): Promise<boolean> {
  const { world, fleet, invariants, trace } = run
  const begin = world.now()
  let looksAt = begin
  for (;;) {
    if (world.now() >= looksAt) {
      lookAfter(run.ground)
      looksAt = world.now() + ON_DUTY_MS
    }
    if (!(await live(run, SECOND_MS))) return false
    const why = whyNotConverged(fleet)
    const tookMs = world.now() - begin
    if (why === '') {
      trace.note('observer', `converged ${tookMs / 1000} s after ${since}`)
      return true
    }
    if (tookMs > withinMs) {
      invariants.violate('rest', `${withinMs / 1000} s after ${since}: ${why}`)
      return false
    }
  }
}

/** Until `elapsed` is reached: comes to rest, skips what can be skipped, and stays awake for what time itself brings. */
async function rest(run: Run, until: number, doesSkip: boolean): Promise<boolean> {
  const { world, fleet, invariants, trace } = run
  let awakeSince = world.now()
  let looksAt = awakeSince
  while (world.elapsed() < until) {
    if (world.now() >= looksAt) {
      lookAfter(run.ground)
      looksAt = world.now() + ON_DUTY_MS
    }
    if (!(await live(run, SECOND_MS))) return false
    const why = whyNotConverged(fleet) || whyNotAtRest(world, fleet)
    if (why !== '') {
      if (world.now() - awakeSince > REST_MS) {
        invariants.violate('rest', `${REST_MS / 1000} s without a fault and not at rest: ${why}`)
        return false
      }
      continue
    }
    if (!doesSkip) continue
    const left = Math.min(until - world.elapsed(), nextExpiry(fleet) - world.wall())
    const memoryMs = routersRemember(world, fleet)
    if (memoryMs === 0) awakeSince = world.now()
    const skipMs = Math.floor(memoryMs === 0 ? left : Math.min(left, memoryMs))
    if (skipMs <= SECOND_MS) continue
    if (memoryMs === 0) trace.note('observer', `at rest; ${Math.round(skipMs / 1000)} s pass`)
    else for (const { owner } of fleet.routers.values()) world.age(owner, skipMs)
    world.skip(skipMs)
  }
  return true
}

/** Some are left for operators to register. In a stateful fleet their writes have no home until then. */
const UNREGISTERED = 4

/** Nearly all tenants are registered from the beginning. */
async function registerSome(ground: Ground, run: Run): Promise<void> {
  const { world, fleet } = ground
  const leader = fleet.leader()!
  world.schedule(leader.owner, 0, () => {
    for (const tenant of fleet.load.tenants.slice(UNREGISTERED)) {
      registerTenant(ground, leader, tenant).catch(() => {})
    }
  })
  await live(run, 2 * SECOND_MS)
}

/** The state of knowledge, for a person who asks how it came to this. */
function whoKnewWhat(fleet: SimulatedFleet): string[] {
  const versionOf = (one: { epoch: number; version: number } | null | undefined) =>
    one ? `${one.epoch}.${one.version}` : 'none'
  const controls = [...fleet.controls.values()].map(
    (one) =>
      `${one.owner.place.padEnd(12)} ${one.owner.isAlive ? 'runs' : 'is down'}${one.isLeader() ? ', leads' : ''}, base ${versionOf(one.published.base())}, overlay ${versionOf(one.published.overlay())}`,
  )
  const routers = [...fleet.routers.values()].map((one) => {
    const topology = one.topology()
    const out = one.cells.arrays.cells
      .filter((_, index) => one.view()?.fitness[index] === 0)
      .map((cell) => cell.id)
    return `${one.place.padEnd(12)} ${one.owner.isAlive ? 'runs' : 'is down'}, base ${versionOf(topology?.snapshot.base)}, overlay ${versionOf(topology?.overlay)}, out: ${out.join(' ') || 'none'}`
  })
  const unwell = [...fleet.cells.values()].filter((cell) => !cell.isWell() || cell.trouble.probesLie)
  const cells = unwell.map(
    (cell) => `${cell.id.padEnd(12)} ${cell.isUp() ? 'runs' : 'is down'} ${JSON.stringify(cell.trouble)}`,
  )
  return [...controls, ...routers, ...cells]
}

function digestOf(world: World, fleet: SimulatedFleet, trace: Trace): string {
  const base = fleet.leader()?.published.base()?.etag ?? ''
  return [world.steps(), world.elapsed(), trace.count(), fleet.counts.sent, fleet.counts.failed, base].join(
    ' ',
  )
}

function decisionsOf(fleet: SimulatedFleet): string {
  const base = fleet.leader()?.published.base()?.document
  const cells = base?.cells.map(({ id, state }) => `${id} ${state}`)
  return JSON.stringify([cells, base?.table, base?.overrides])
}
