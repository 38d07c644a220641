/**
 * What goes wrong. Each fault begins at its time, lasts for its time, and then what caused it is gone; what it left behind
 * (a cell that is out, a replica without the lease, a document that is old) is for the system to mend.
 *
 * Faults come in bouts of about a minute, several at once and on top of each other, because single faults are what every
 * design withstands. Their kinds are drawn by weight. None of them makes the invariants impossible: a majority of nothing
 * is needed here, and there is always an end.
 */
import { type CellTrouble, NO_TROUBLE } from './cell-node.ts'
import type { Network } from './network.ts'
import { operate } from './operators.ts'
import type { Random } from './random.ts'
import type { Claim } from './router-node.ts'
import {
  CONTROLS,
  HOSTS,
  QUIET_LOAD,
  REQUESTS_PER_SECOND,
  ROUTERS,
  type SimulatedFleet,
} from './simulated-fleet.ts'
import type { Trace } from './trace.ts'
import { STORE_PLACE } from './virtual-store.ts'
import type { Place, World } from './world.ts'

export type Ground = { world: World; network: Network; fleet: SimulatedFleet; trace: Trace; random: Random }

/** What it is, for the trace, and how it ends. */
type Begun = { what: string; end?: () => void }
/** `isDrawnAlone`: only where it is favoured, since another fault of the same bout may ask for what it uses up. */
type Fault = { weight: number; isDrawnAlone?: boolean; begin(ground: Ground): Begun }

/** Ms that a fault lasts. Short ones test the edges of hysteresis, long ones what waits for timeouts. */
const LASTS_MS = { least: 500, most: 30_000 }
/** Wall clocks are wrong by this much at most: an administrator's mistake, not a broken quartz. */
const SKEW_MS_MAX = 600_000

/** Far beyond what the control plane believes, and the last that a report can hold. */
const ABSURD_EPOCHS = [1_000, Number.MAX_SAFE_INTEGER]

/** How old a copy of the store is at most. Older ones forget nothing of another kind. */
const RESTORED_AGO_MS_MAX = 60_000

const FAULTS: Record<string, Fault> = {
  'cell crashes': {
    weight: 10,
    begin: (ground) => {
      const cell = anyCell(ground)
      cell.crash()
      return { what: cell.id }
    },
  },
  'cell stays down': { weight: 6, begin: (ground) => down(anyCell(ground)) },
  'cell hangs': { weight: 5, begin: (ground) => troubled(ground, () => ({ hangs: true })) },
  'cell is gray': {
    weight: 8,
    begin: (ground) => troubled(ground, (r) => ({ failShare: r.between(0.3, 1) })),
  },
  'cell is slow': {
    weight: 4,
    begin: (ground) => troubled(ground, (r) => ({ slowMs: r.between(100, 4_000) })),
  },
  'probe lies': { weight: 6, begin: (ground) => troubled(ground, () => ({ probesLie: true })) },
  'monitor lies': {
    weight: 4,
    begin: ({ fleet, random }) => {
      const cells = [...fleet.cells.values()]
      const lied = random.sample(cells, Math.ceil(cells.length * random.between(0.5, 1)))
      for (const cell of lied) cell.trouble.probesLie = true
      return {
        what: `about ${lied.length} cells`,
        end: () => {
          for (const cell of lied) cell.trouble.probesLie = false
        },
      }
    },
  },
  'synthetic write lies': {
    weight: 4,
    begin: (ground) =>
      troubled(ground, (r) =>
        r.chance(0.5) ? { writesLie: true } : { writesLateMs: r.between(500, 6_000) },
      ),
  },
  'synthetic writes lie': {
    weight: 2,
    begin: ({ fleet, random }) => {
      const cells = [...fleet.cells.values()]
      const lied = random.sample(cells, Math.ceil(cells.length * random.between(0.3, 1)))
      for (const cell of lied) cell.trouble.writesLie = true
      return {
        what: `at ${lied.length} cells`,
        end: () => {
          for (const cell of lied) cell.trouble.writesLie = false
        },
      }
    },
  },
  'host loses its cells': {
    weight: 2,
    begin: ({ fleet, random }) => {
      const host = random.pick(HOSTS)
      const lost = [...fleet.cells.values()].filter((cell) => cell.host === host).map(down)
      return { what: host, end: () => endAll(lost) }
    },
  },
  'agent is gone': {
    weight: 3,
    begin: ({ fleet, random }) => {
      const host = random.pick(HOSTS)
      fleet.hosts.get(host)!.kill()
      return { what: host, end: () => startAgent(fleet, host) }
    },
  },
  partition: {
    weight: 10,
    begin: (ground) => linked(ground, pair(ground), { isCut: true, lateMs: 0, lossShare: 0 }),
  },
  'leader loses its store': {
    weight: 3,
    begin: (ground) => {
      const leader = ground.fleet.leader()?.owner.place ?? CONTROLS[0]!
      return linked(ground, [leader, STORE_PLACE], { isCut: true, lateMs: 0, lossShare: 0 })
    },
  },
  'place is cut off': {
    weight: 4,
    begin: (ground) => {
      const { fleet, random } = ground
      const place = random.pick([...ROUTERS, ...CONTROLS, ...HOSTS, ...fleet.cells.keys()])
      const others = fleet.places().filter((other) => other !== place)
      const cuts = others.map((other) =>
        linked(ground, [place, other], { isCut: true, lateMs: 0, lossShare: 0 }),
      )
      return { what: place, end: () => endAll(cuts) }
    },
  },
  'messages are late': {
    weight: 8,
    begin: (ground) =>
      linked(ground, pair(ground), { isCut: false, lateMs: ground.random.between(50, 8_000), lossShare: 0 }),
  },
  'messages are lost': {
    weight: 6,
    begin: (ground) =>
      linked(ground, pair(ground), {
        isCut: false,
        lateMs: 500,
        lossShare: ground.random.between(0.05, 0.7),
      }),
  },
  'router restarts': {
    weight: 5,
    begin: ({ fleet, random }) => {
      const place = random.pick(ROUTERS)
      fleet.routers.get(place)!.kill()
      if (random.chance(0.2)) fleet.disks.delete(place)
      return { what: place, end: () => startRouter(fleet, place) }
    },
  },
  'router disk is full': {
    weight: 2,
    begin: ({ fleet, random }) => {
      const place = random.pick(ROUTERS)
      const disk = fleet.disks.get(place)
      if (disk) disk.isFull = true
      return {
        what: place,
        end: () => {
          if (disk) disk.isFull = false
        },
      }
    },
  },
  'router claims an absurd epoch': {
    weight: 3,
    begin: (ground) => {
      const epoch = ground.random.pick(ABSURD_EPOCHS)
      return claiming(ground, () => ({ epoch, version: 1 }))
    },
  },
  // One such claim is believed, and no other for ten minutes: a restored store of which only routers know would wait for that.
  'router claims the next version': {
    weight: 3,
    isDrawnAlone: true,
    begin: (ground) => claiming(ground, ({ epoch, version }) => ({ epoch, version: version + 1 })),
  },
  'control plane restarts': {
    weight: 6,
    begin: ({ fleet, random }) => {
      const place = random.pick(CONTROLS)
      fleet.controls.get(place)!.stop()
      return { what: place, end: () => startControl(fleet, place) }
    },
  },
  'store is down': {
    weight: 4,
    begin: ({ fleet }) => {
      fleet.server.stop()
      return { what: STORE_PLACE, end: fleet.server.start }
    },
  },
  'store restarts': {
    weight: 3,
    begin: ({ fleet }) => {
      fleet.server.stop()
      fleet.server.start()
      return { what: STORE_PLACE }
    },
  },
  'store is restored': {
    weight: 3,
    begin: ({ fleet, random }) => {
      const agoMs = random.between(1_000, RESTORED_AGO_MS_MAX)
      fleet.server.stop()
      const gone = fleet.server.restore(agoMs)
      return {
        what: `to what it was ${Math.round(agoMs / 1000)} s ago; ${gone} commits are gone`,
        end: fleet.server.start,
      }
    },
  },
  'clock is wrong': {
    weight: 4,
    begin: ({ fleet, random }) => {
      const owner = random.pick([...fleet.controls.values(), ...fleet.routers.values()]).owner
      owner.skewMs = Math.round(random.between(-SKEW_MS_MAX, SKEW_MS_MAX))
      return {
        what: `${owner.place} by ${Math.round(owner.skewMs / 1000)} s`,
        end: () => {
          owner.skewMs = 0
        },
      }
    },
  },
  'poison tenant': {
    weight: 3,
    begin: ({ fleet, random }) => {
      const tenant = random.pick(fleet.load.tenants)
      fleet.poison.add(tenant)
      return { what: tenant, end: () => void fleet.poison.delete(tenant) }
    },
  },
  'load spike': {
    weight: 3,
    begin: ({ fleet, random }) => {
      fleet.load.requestsPerSecond = REQUESTS_PER_SECOND * random.between(2, 5)
      if (random.chance(0.5)) fleet.load.heavy = { tenant: random.pick(fleet.load.tenants), share: 0.7 }
      return {
        what: `${Math.round(fleet.load.requestsPerSecond)} requests a second and router`,
        end: () => void Object.assign(fleet.load, QUIET_LOAD),
      }
    },
  },
  operator: {
    weight: 14,
    begin: (ground) => {
      operate(ground)
      return { what: 'acts' }
    },
  },
}

const NAMES = Object.keys(FAULTS)

/** What is favoured comes this many times as often. */
const FAVOUR = 10

/** Names of faults: some come more often, some never. */
export type FaultChoice = { favoured: readonly string[]; without: readonly string[] }

/** A bout: so many faults from now on, all of them over when it ends. */
export function scheduleBout(ground: Ground, faults: number, lengthMs: number, choice: FaultChoice): void {
  const { world, random, trace } = ground
  for (let i = 0; i < faults; i++) {
    const name = drawName(random, choice)
    const beginsIn = random.between(0, lengthMs * 0.8)
    const endsIn = Math.min(lengthMs, beginsIn + random.between(LASTS_MS.least, LASTS_MS.most))
    world.schedule(world.outside, beginsIn, () => {
      const { what, end } = FAULTS[name]!.begin(ground)
      trace.note('FAULT', `${name}: ${what}`)
      if (!end) return
      world.schedule(world.outside, endsIn - beginsIn, () => {
        end()
        trace.note('healed', `${name}: ${what}`)
      })
    })
  }
  world.schedule(world.outside, lengthMs, () => {
    mendAll(ground)
    trace.note('healed', 'all faults are over')
  })
}

/** Two faults may have overlapped on one thing: what the later end of the first left is put right here. */
function mendAll({ world, network, fleet }: Ground): void {
  const places = fleet.places()
  for (const [i, a] of places.entries()) for (const b of places.slice(i + 1)) network.setLink(a, b, null)
  for (const cell of fleet.cells.values()) Object.assign(cell.trouble, NO_TROUBLE)
  for (const disk of fleet.disks.values()) disk.isFull = false
  fleet.poison.clear()
  Object.assign(fleet.load, QUIET_LOAD)
  fleet.server.start()
  for (const router of fleet.routers.values()) router.claim(null)
  for (const host of HOSTS) startAgent(fleet, host)
  for (const place of ROUTERS) startRouter(fleet, place)
  for (const place of CONTROLS) startControl(fleet, place)
  for (const one of [...fleet.controls.values(), ...fleet.routers.values()]) one.owner.skewMs = 0
  world.outside.skewMs = 0
}

function drawName(random: Random, { favoured, without }: FaultChoice): string {
  const weightOf = (name: string) => {
    const { weight, isDrawnAlone } = FAULTS[name]!
    if (favoured.includes(name)) return weight * FAVOUR
    return isDrawnAlone || without.includes(name) ? 0 : weight
  }
  let left = random.next() * NAMES.reduce((sum, name) => sum + weightOf(name), 0)
  for (const name of NAMES) {
    left -= weightOf(name)
    if (left < 0) return name
  }
  return NAMES.at(-1)!
}

type FaultyCell = { id: string; trouble: CellTrouble; crash(): void }

const anyCell = ({ fleet, random }: Ground) => random.pick([...fleet.cells.values()])

function down(cell: FaultyCell): Begun {
  cell.trouble.staysDown = true
  cell.crash()
  return {
    what: cell.id,
    end: () => {
      cell.trouble.staysDown = false
    },
  }
}

function troubled(ground: Ground, draw: (random: Random) => Partial<CellTrouble>): Begun {
  const cell = anyCell(ground)
  Object.assign(cell.trouble, draw(ground.random))
  return {
    what: `${cell.id} ${JSON.stringify(cell.trouble)}`,
    end: () => void Object.assign(cell.trouble, NO_TROUBLE),
  }
}

/** A router reports what nobody gave it. */
function claiming({ fleet, random }: Ground, lie: (held: Claim) => Claim): Begun {
  const router = fleet.routers.get(random.pick(ROUTERS))!
  const claim = lie(router.topology()?.snapshot.base ?? { epoch: 1, version: 1 })
  router.claim(claim)
  return { what: `${router.place} says ${claim.epoch}.${claim.version}`, end: () => router.claim(null) }
}

function linked(
  { network }: Ground,
  [a, b]: [Place, Place],
  link: { isCut: boolean; lateMs: number; lossShare: number },
): Begun {
  network.setLink(a, b, link)
  return { what: `${a} – ${b}`, end: () => network.setLink(a, b, null) }
}

/** Two places that talk to each other. */
function pair({ fleet, random }: Ground): [Place, Place] {
  const cell = () => random.pick([...fleet.cells.keys()])
  const control = random.pick(CONTROLS)
  const router = random.pick(ROUTERS)
  return random.pick<[Place, Place]>([
    [router, cell()],
    [router, control],
    [control, cell()],
    [control, STORE_PLACE],
    [control, random.pick(HOSTS)],
  ])
}

function startAgent(fleet: SimulatedFleet, host: Place): void {
  const node = fleet.hosts.get(host)!
  if (!node.isUp()) node.start(0)
}

function startRouter(fleet: SimulatedFleet, place: Place): void {
  if (!fleet.routers.get(place)?.owner.isAlive) fleet.startRouter(place, 0)
}

function startControl(fleet: SimulatedFleet, place: Place): void {
  if (!fleet.controls.get(place)?.owner.isAlive) fleet.startControl(place, 0)
}

function endAll(begun: readonly Begun[]): void {
  for (const { end } of begun) end?.()
}
