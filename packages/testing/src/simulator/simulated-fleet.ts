/**
 * A fleet in a world: 16 cells and a quarantine cell on four hosts, three routers, two control replicas, one store. All of
 * it at the intervals of production; only the table is smaller (1,024 buckets, not 65,536), as nothing that is simulated
 * depends on its size.
 *
 *     operators ─▶ control-a, control-b ─▶ store
 *                     ▲  │  ▲
 *        host-1…4 ────┘  │  └──── router-1…3 ──▶ cells
 *           └─▶ cells ◀──┘ (probes)
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { formatProblems, keyIdOf } from '@cellplane/contract'
import type { AuditEntry } from '@cellplane/contract/api'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import {
  AUDIT,
  CELLS,
  type ControlConfig,
  planDeclarations,
  type Timing,
  VERSIONS,
  versionKey,
} from '@cellplane/control/parts'
import { type CellNode, createCellNode, WRITE_STATUS } from './cell-node.ts'
import { type ControlReplica, type ReplicaFiles, startControlReplica } from './control-replica.ts'
import { type Load, type RequestCounts, startExchange } from './exchange.ts'
import { createHostNode, type HostNode } from './host-node.ts'
import type { Invariants } from './invariants.ts'
import type { Network } from './network.ts'
import { type RouterDisk, type RouterNode, type RouterParts, startRouterNode } from './router-node.ts'
import { createStoreServer, type StoreBugs } from './store-server.ts'
import type { Trace } from './trace.ts'
import { createVirtualStore } from './virtual-store.ts'
import type { Place, World } from './world.ts'

export const FLEET_NAME = 'simulated'
export const ROUTERS: readonly Place[] = ['router-1', 'router-2', 'router-3']
export const CONTROLS: readonly Place[] = ['control-a', 'control-b']
export const HOSTS: readonly Place[] = ['host-1', 'host-2', 'host-3', 'host-4']
export const CELLS_AT_START = 16
const BUCKETS = 1024
const ZONES = ['zone-a', 'zone-b', 'zone-c', 'zone-d']
/** Former tables are kept for so long: short enough that they run out within a simulation. */
const RETENTION_HOURS = 0.5

/** Of each router. Enough that every cell is seen: 3 a second and cell, over the gray detector's least in its window. */
export const REQUESTS_PER_SECOND = 16
const TENANTS = Array.from({ length: 48 }, (_, i) => `tenant-${i}`)
/**
 * One tenant always sends twice its cap, so its limit is always divided between the routers. The others, and the cells in
 * quiet times, stay below half of theirs, which are not.
 */
const CELL_REQUESTS_PER_SECOND = 12
export const QUIET_LOAD: Omit<Load, 'tenants'> = {
  requestsPerSecond: REQUESTS_PER_SECOND,
  heavy: { tenant: TENANTS.at(-1)!, share: 0.25 },
}

/** The defaults of control's configuration. */
const TIMING: Timing = {
  reconcile_ms: 1000,
  lease_poll_ms: 1000,
  first_placement_wait_ms: 20_000,
  drain_settle_ms: 5000,
  report_save_ms: 5000,
  event_ping_ms: 5000,
}

/** Seams through which tests plant bugs; nothing else uses them. */
export type Bugs = {
  store?: StoreBugs
  /** How routers follow the topology. */
  follow?: RouterParts['follow']
  plannedFreezeShare?: number
  looksAtStoreAlone?: boolean
  ignoresShares?: boolean
}

export type SimulatedFleet = ReturnType<typeof startFleet>

export type FleetParts = {
  world: World
  network: Network
  trace: Trace
  invariants: Invariants
  kind: FleetFile['kind']
  bugs: Bugs
}

export function startFleet({ world, network, trace, invariants, kind, bugs }: FleetParts) {
  const fleet = fleetFile(kind)
  const signingKey = signingKeyOfAll()
  const trustedKeys = new Map([[signingKey.id, signingKey.publicKey]])
  const server = createStoreServer(world, bugs.store)
  const auditedBy = (action: string): AuditEntry[] =>
    server
      .keys(AUDIT.table)
      .map((key) => JSON.parse(server.read(AUDIT.table, key)!) as AuditEntry)
      .filter((entry) => entry.action === action)
  invariants.judgeBy({
    freezeShare: fleet.health.freeze_share,
    budget: fleet.budget,
    tenants: TENANTS.length,
    restores: server.restores,
    forces: () => auditedBy('topology.force').map(({ id, at, subject }) => ({ id: `${id} ${at}`, subject })),
    claimedEpochs: () =>
      auditedBy('epoch.begin').filter(({ reason }) => /^(router|host) "/.test(reason)).length,
    isRolledBack(base) {
      const row = server.read(VERSIONS.table, versionKey(base))
      return row !== undefined && /(^|; )back to \d+$/.test((JSON.parse(row) as { reason: string }).reason)
    },
  })
  const cells = new Map<string, CellNode>()
  const hosts = new Map<Place, HostNode>()
  const routers = new Map<Place, RouterNode>()
  const controls = new Map<Place, ControlReplica>()
  const disks = new Map<Place, RouterDisk>()
  const folders = new Map<Place, ReplicaFiles>()
  const balancing = world.random.fork('load balancer')
  const poison = new Set<string>()
  const counts: RequestCounts = { sent: 0, failed: 0 }
  const load: Load = { tenants: TENANTS, ...QUIET_LOAD }

  const controlConfig: ControlConfig = {
    fleet,
    directory: '/srv',
    listen: { host: '127.0.0.1', port: 0 },
    databaseUrl: 'postgres://store/cellplane',
    tokens: [],
    signingKey,
    routerKey: 'a-router-key-of-the-simulation',
    publishDir: '/published',
    defaultHost: HOSTS[0]!,
    parentBound: false,
    timing: TIMING,
  }

  function cellOf(id: string, slot: number, host: Place): CellNode {
    let cell = cells.get(id)
    if (!cell) {
      cell = createCellNode({
        world,
        network,
        id,
        slot,
        host,
        isPoison: (tenant) => poison.has(tenant) && id !== fleet.quarantine.id,
        onHomeOnly: invariants.homeOnlyAccepted,
        onCrash: (crashed) => trace.note(crashed, 'its process is gone'),
      })
      cells.set(id, cell)
    }
    return cell
  }

  /** Each starts as an event of its own, so that all that it begins is its own; one that runs already is left alone. */
  function startControl(place: Place, skewMs: number): void {
    const owner = world.spawn(place, skewMs)
    world.schedule(owner, 0, () => {
      if (controls.get(place)?.owner.isAlive) return
      const files = folders.get(place) ?? { base: undefined, overlay: undefined }
      folders.set(place, files)
      trace.note(place, 'starts')
      const replica = startControlReplica({
        network,
        owner,
        store: createVirtualStore({ world, network, server, owner, leasePollMs: TIMING.lease_poll_ms }),
        config: controlConfig,
        files,
        plannedFreezeShare: bugs.plannedFreezeShare,
        looksAtStoreAlone: bugs.looksAtStoreAlone,
        onAutomation: (part, reason) => trace.note(place, `${part}: ${reason ?? 'goes on'}`),
        onLead: () => trace.note(place, 'takes the lease'),
      })
      controls.set(place, replica)
      invariants.watchPublished(replica)
    })
  }

  function startRouter(place: Place, skewMs: number): void {
    const owner = world.spawn(place, skewMs)
    world.schedule(owner, 0, () => {
      if (routers.get(place)?.owner.isAlive) return
      const disk = disks.get(place) ?? { files: new Map(), isFull: false }
      disks.set(place, disk)
      trace.note(place, 'starts')
      const router = startRouterNode({
        network,
        owner,
        fleet: FLEET_NAME,
        trustedKeys,
        disk,
        onLog: (name, message, fields) => trace.note(name, `${message} ${describe(fields)}`),
        onTopology: invariants.topologyAdopted,
        onRefusal: invariants.documentRefused,
        follow: bugs.follow,
        ignoresShares: bugs.ignoresShares,
      })
      routers.set(place, router)
      startExchange(
        world,
        router,
        () => load,
        (id) => cells.get(id),
        counts,
      )
    })
  }

  // The load balancer in front of the replicas: changes and reports go to the one that has the lease, reads to any.
  network.alias('control', (method) => {
    const alive = [...controls.values()].filter((one) => one.owner.isAlive)
    if (alive.length === 0) return CONTROLS[0]!
    const leader = method === 'GET' ? undefined : alive.find((one) => one.isLeader())
    return (leader ?? balancing.pick(alive)).owner.place
  })

  // The registry of a fleet whose cells were once spread over the hosts; their declarations change nothing of that.
  const declared = planDeclarations(fleet, [], HOSTS[0]!, 0).map(({ stored }, i) => ({
    ...stored,
    cell: { ...stored.cell, host: HOSTS[i % HOSTS.length]! },
  }))
  server.seed(
    CELLS.table,
    declared.map((stored) => [stored.cell.id, JSON.stringify(stored)]),
  )
  for (const place of CONTROLS) startControl(place, 0)
  for (const host of HOSTS) {
    const node = createHostNode({ world, network, host, cellOf })
    hosts.set(host, node)
    node.start(0)
  }
  for (const place of ROUTERS) startRouter(place, 0)

  return {
    fleet,
    server,
    cells,
    hosts,
    routers,
    controls,
    disks,
    poison,
    counts,
    load,
    startControl,
    startRouter,
    leader: (): ControlReplica | undefined =>
      [...controls.values()].find((one) => one.owner.isAlive && one.isLeader()),
    /** All that the network knows by name. */
    places: (): Place[] => [...CONTROLS, ...HOSTS, ...ROUTERS, ...cells.keys(), 'store'],
  }
}

function fleetFile(kind: FleetFile['kind']): FleetFile {
  const parsed = parseFleet({
    format: 1,
    fleet: FLEET_NAME,
    kind,
    partition_key: { rules: [{ from: 'header', name: 'x-tenant' }] },
    placement: { buckets: BUCKETS },
    cells: {
      count: CELLS_AT_START,
      zones: ZONES,
      retention_hours: RETENTION_HOURS,
      capacity: { requests_per_second: CELL_REQUESTS_PER_SECOND },
    },
    health: { synthetic: { path: '/v1/orders', body: {}, expect_status: WRITE_STATUS } },
    components: [{ name: 'api', run: 'node api.js', serves: true }],
  })
  if (!parsed.ok) throw new Error(formatProblems(parsed.problems))
  return parsed.value
}

/** A key that is always the same, so that signatures are: PKCS #8 (RFC 8410) of 32 bytes. It signs nothing outside. */
function signingKeyOfAll(): ControlConfig['signingKey'] {
  const header = Buffer.from('302e020100300506032b657004220420', 'hex')
  const der = Buffer.concat([header, Buffer.alloc(32, 7)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return { id: keyIdOf(privateKey), privateKey, publicKey: createPublicKey(privateKey) }
}

function describe(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
}
