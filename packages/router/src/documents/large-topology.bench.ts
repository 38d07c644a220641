/**
 * Bench: a fleet of 1,000 cells with 100,000 overrides, at both ends of the topology.
 *
 *     npm run bench:large-topology [-- --json] [-- --rounds 5]
 *
 * The control side makes a base (compile, sign, print, check as a router does) and an overlay; goals: 1 s and 50 ms of
 * processor time. The router side is a router process under load that takes such a base, again and again; goals: its event
 * loop is late by at most 5 ms at the 99th percentile meanwhile, and it holds the base in at most 100 MB more than one
 * without overrides. What the event loop does with nothing but the load is told beside it, for each base right before it:
 * on a shared machine, that is what it is to be compared with. The processor time of both is the router's alone, without
 * that of the process which reads for it.
 *
 * A million registered tenants are not in the document: those without an override are where the table puts their bucket,
 * some 15 a bucket. A router holds none of them. So they are no parameter here.
 *
 * Back of the envelope: 100,000 overrides are 8 MB of JSON. To print it in canonical form takes 45 ms, to sign that 35 and
 * to verify it 20, to parse it 50, to check its shape 50, to index it 50; it is printed three times, once to sign, once to
 * send and once to check, and indexed at both ends. Held as arrays they are 60 bytes each, 6 MB. The router's own part is to
 * pass 8 MB on, to join 6 MB and to adopt 1,000 cells: a millisecond or two for each of what it does at once.
 */
import { generateKeyPairSync } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Cell, keyIdOf, type Override, signDocument, type TopologyBase } from '@cellplane/contract'
import { parseFleet } from '@cellplane/contract/fleet-file'
import {
  acceptBase,
  acceptOverlay,
  compileBase,
  compileOverlay,
  place,
  placementPolicyOf,
} from '@cellplane/core'
import { flag, number, readFlags } from '@cellplane/testing/flags'
import type { ProbeReading } from '../faults/probe.ts'
import { onProcesses, type RouterProcess } from '../faults/processes.ts'
import { type FakeFleet, FLEET } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

const CELLS = 1_000
const OVERRIDES = 100_000
const MARKS = 20
const QUARANTINED = 100
const PER_SECOND = 200
/** Long enough for thirty samples beyond the 99th percentile. */
const QUIET_MS = 3_000
/** Until what a document left behind is written, or collected. */
const SETTLE_MS = 5_000
const SINCE = '2026-01-01T00:00:00.000Z'

const { rounds, ...values } = readFlags({
  command: 'npm run bench:large-topology --',
  about: 'Makes, publishes and applies a base of 1,000 cells and 100,000 overrides.',
  flags: {
    rounds: number(5, 'how often; the median is told', { least: 1, isWhole: true }),
    json: flag('print JSON'),
  },
})

const fleet = unwrap(
  parseFleet({
    format: 1,
    fleet: FLEET,
    kind: 'stateful',
    partition_key: { rules: [{ from: 'header', name: 'x-tenant' }] },
    placement: { seed: 7 },
    cells: { count: CELLS, max: CELLS },
    components: [{ name: 'api', run: 'node api.js', serves: true }],
    routes: [],
  }),
)
const overrides: Override[] = Array.from({ length: OVERRIDES }, (_, nth) => ({
  tenant: `tenant-${nth}`,
  cells: [nth % CELLS, (nth + 1) % CELLS],
  reason: 'assignment',
  generation: 1,
}))

const cells = registry(() => 'http://127.0.0.1:7500')
const { table } = unwrap(place(null, cells, placementPolicyOf(fleet)))
const control = { base: [] as Record<string, number>[], overlay: [] as Record<string, number>[] }
controlSide()
const router = await routerSide()

const total = (steps: Record<string, number>) => Object.values(steps).reduce((sum, ms) => sum + ms, 0)
const result = {
  bench: 'large-topology',
  scale: { cells: CELLS, overrides: OVERRIDES, requests_per_second: PER_SECOND },
  control: {
    base_ms: median(control.base.map(total)),
    overlay_ms: median(control.overlay.map(total)),
    rounds: control,
  },
  router,
}
if (values.json) {
  console.log(JSON.stringify(result))
} else {
  const last = JSON.stringify(control.base.at(-1))
  console.log(`base, made and checked: median ${result.control.base_ms} ms (goal: 1000); the last ${last}`)
  console.log(`overlay, made and checked: median ${result.control.overlay_ms} ms (goal: 50)`)
  for (const { takenMs, quiet, taking } of router.rounds) {
    console.log(`router with nothing but the load, for ${QUIET_MS} ms: ${told(quiet)}`)
    console.log(`router that takes the base, in ${takenMs} ms: ${told(taking)} (goal: p99 5)`)
  }
  console.log(
    `held: ${router.heldMb} MB more in objects and arrays, ${router.rssMb} MB more resident (goal: 100)`,
  )
}

function told({ lateMs, stallMaxMs, processorMs }: ProbeReading): string {
  return `late by ${lateMs.p50} ms p50, ${lateMs.p99} ms p99, ${stallMaxMs} ms at most; ${processorMs} ms of processor time`
}

function controlSide(): void {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const keyId = keyIdOf(publicKey)
  const keys = new Map([[keyId, publicKey]])
  let held: TopologyBase | null = null
  for (let version = 1; version <= rounds; version++) {
    const steps: Record<string, number> = {}
    const base = timed(steps, 'compile', () => compiled(cells, overrides, version))
    const signed: TopologyBase = timed(steps, 'sign', () => signDocument(base, keyId, privateKey))
    const text = timed(steps, 'print', () => JSON.stringify(signed))
    held = timed(steps, 'check', () => unwrap(acceptBase(held, text, keys, FLEET))).document
    control.base.push(steps)

    const overlaySteps: Record<string, number> = {}
    const overlay = timed(overlaySteps, 'compile', () => compileOverlay(overlayInput(version)))
    const signedOverlay = timed(overlaySteps, 'sign', () => signDocument(overlay, keyId, privateKey))
    const overlayText = timed(overlaySteps, 'print', () => JSON.stringify(signedOverlay))
    timed(overlaySteps, 'check', () => unwrap(acceptOverlay(null, overlayText, keys, FLEET, null)))
    control.overlay.push(overlaySteps)
  }
}

async function routerSide() {
  let measured: {
    rounds: { takenMs: number; quiet: ProbeReading; taking: ProbeReading }[]
    heldMb: number
    rssMb: number
  }
  await onProcesses(async ({ fleet, load, spawn }) => {
    const own = registry((slot) => fleet.cells[slot % fleet.cells.length]!.url)
    const sign = (which: readonly Override[]) => {
      const { version } = fleet.buildBase()
      return { version, text: fleet.controlPlane.sign(compiled(own, which, version)) }
    }
    const light = sign([])
    fleet.controlPlane.serve('base', light.text)
    const documents = Array.from({ length: rounds }, () => sign(overrides))
    const router = await spawn()
    const traffic = load(router.port, 'others', { perSecond: PER_SECOND, cells: idsOf(fleet) })
    await delay(SETTLE_MS)
    const before = await router.probe({ collects: true })
    const taken = []
    for (const { version, text } of documents) {
      const quiet = await during(router, () => delay(QUIET_MS))
      const servedAt = performance.now()
      const taking = await during(router, () => {
        fleet.controlPlane.serve('base', text)
        // By its log: to be asked a hundred times a second for a page about 1,000 cells would hold it up more than the base.
        return until('it to be taken', () => hasTaken(router.output(), version))
      })
      taken.push({ takenMs: Math.round(performance.now() - servedAt), quiet, taking })
      await delay(SETTLE_MS)
    }
    const after = await router.probe({ collects: true })
    const mb = (of: 'heldBytes' | 'rssBytes') => Math.round((after[of] - before[of]) / 1e5) / 10
    measured = { rounds: taken, heldMb: mb('heldBytes'), rssMb: mb('rssBytes') }
    const { outcomes } = await traffic.stop()
    console.error(`requests: ${JSON.stringify(outcomes)}`)
  })
  return measured!
}

/** What the probe tells of that time, and of no other. */
async function during(router: RouterProcess, run: () => Promise<unknown>): Promise<ProbeReading> {
  const { processorMs: before } = await router.probe()
  await run()
  const reading = await router.probe()
  return { ...reading, processorMs: reading.processorMs - before }
}

function hasTaken(output: string, version: number): boolean {
  return output.includes(`"version":${version},"message":"topology base accepted"`)
}

/** Each fake cell serves as many of them. */
function idsOf(fleet: FakeFleet): string[] {
  return fleet.cells.map(({ id }) => id)
}

function compiled(cells: readonly Cell[], overrides: readonly Override[], version: number) {
  const former = { version: 0, until: '2027-01-01T00:00:00.000Z', table }
  return unwrap(
    compileBase({
      fleet,
      cells,
      table,
      formerTables: [former, former],
      formerOverrides: [],
      overrides,
      tokens: null,
      epoch: 1,
      version,
      issuedAt: SINCE,
    }),
  )
}

function overlayInput(version: number): Parameters<typeof compileOverlay>[0] {
  return {
    fleet: FLEET,
    epoch: 1,
    version,
    baseVersion: version,
    issuedAt: SINCE,
    unhealthy: Array.from({ length: MARKS }, (_, slot) => ({
      slot,
      since: SINCE,
      reason: 'probe: HTTP 503',
    })),
    quarantined: Array.from({ length: QUARANTINED }, (_, nth) => ({
      tenant: `poison-${nth}`,
      since: SINCE,
      reason: 'its errors are its own',
    })),
  }
}

function registry(urlOf: (slot: number) => string): Cell[] {
  return Array.from({ length: CELLS }, (_, slot) => ({
    id: `cell-${slot}`,
    slot,
    role: 'serving',
    state: 'active',
    state_since: SINCE,
    region: 'local',
    zone: 'local',
    stage: 'dev',
    provider: 'local',
    account: 'local',
    host: 'local',
    dns_names: [],
    capacity: { requests_per_second: 1_000, in_flight: 100 },
    weight: 10,
    release: 'r1',
    endpoint: urlOf(slot),
    stores: [],
    components: ['api'],
    price_per_hour: null,
  }))
}

function timed<T>(steps: Record<string, number>, step: string, run: () => T): T {
  const before = process.cpuUsage()
  const value = run()
  const { user, system } = process.cpuUsage(before)
  steps[step] = Math.round((user + system) / 100) / 10
  return value
}

function median(figures: readonly number[]): number {
  return Math.round(figures.toSorted((a, b) => a - b)[figures.length >> 1]!)
}

function unwrap<T>(result: { ok: true; value: T } | { ok: false; problems: unknown[] }): T {
  if (result.ok) return result.value
  throw new Error(JSON.stringify(result.problems))
}
