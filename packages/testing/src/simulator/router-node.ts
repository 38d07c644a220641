/**
 * A router in the simulation: the parts of `router.ts` that decide, without the public port. Documents, disk, crash watch,
 * outlier detection, routing view and reports are the shipped ones; `exchange.ts` here stands in for sockets.
 */
import type { Problem, TrustedKeys } from '@cellplane/contract'
import {
  buildRoutingView,
  createCells,
  createCrashWatch,
  createLimitShares,
  createRefusals,
  createTenants,
  type DocumentName,
  type LastGood,
  READER_LIMITS,
  type RoutingView,
  startReporter,
  startTopologyFollower,
  TICK_MS,
  type Topology,
  type TopologyFollower,
} from '@cellplane/router/parts'
import type { Network } from './network.ts'
import type { Place, Process } from './world.ts'

/** What its state folder holds; it outlives the process. */
export type RouterDisk = {
  files: Map<DocumentName, { chunks: readonly Uint8Array[]; writtenAt: number }>
  isFull: boolean
}

export type RouterParts = {
  network: Network
  owner: Process
  fleet: string
  trustedKeys: TrustedKeys
  disk: RouterDisk
  onLog(router: Place, message: string, fields: object): void
  /** Before it takes effect: what it held, and what it holds from now on. */
  onTopology(router: Place, before: Topology | null, next: Topology): void
  onRefusal(router: Place, document: DocumentName, problems: readonly Problem[], held: Topology | null): void
  /** Seam for planting bugs. */
  follow?: typeof startTopologyFollower | undefined
  /** The same: whatever it is told, its limits are whole. */
  ignoresShares?: boolean | undefined
}

/** A base that nobody gave out. */
export type Claim = { epoch: number; version: number }

export type RouterNode = ReturnType<typeof startRouterNode>

const POLL_MS = 5_000
const DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
const TENANTS_MAX = 10_000
const ROUTER_KEY = 'a-router-key-of-the-simulation'

/** To be called in an event of its owner. */
export function startRouterNode(parts: RouterParts) {
  const { network, owner, disk } = parts
  const { place } = owner
  const say = (message: string, fields: object = {}) => parts.onLog(place, message, fields)
  const log = { info: say, warn: say, error: say }
  const counted = createRefusals(log)
  const refusals = {
    ...counted,
    get total() {
      return counted.total
    },
    get last() {
      return counted.last
    },
    add(document: DocumentName, source: 'disk' | 'origin', problems: readonly Problem[]) {
      counted.add(document, source, problems)
      parts.onRefusal(place, document, problems, topology)
    },
  }
  const cells = createCells(parts.fleet, ROUTER_KEY, { sockets_per_cell_max: 256, adaptive: 'off' }, log)
  const tenants = createTenants(TENANTS_MAX)
  let topology: Topology | null = null
  let view: RoutingView | null = null
  let follower: TopologyFollower | null = null
  const crashes = createCrashWatch({ log, onChange: () => topology && renewView(topology) })
  const renewView = (current: Topology) => {
    const previous = view
    view = buildRoutingView(current, cells.arrays, crashes.suspended, previous)
    if (view !== previous) tenants.forgetShards()
  }
  const lastGood: LastGood = {
    read: async (name) => disk.files.get(name),
    async write(name, content) {
      if (disk.isFull) throw new Error('ENOSPC')
      const chunks = typeof content === 'string' ? [Buffer.from(content)] : content
      disk.files.set(name, { chunks, writtenAt: Date.now() })
    },
  }
  const follow = parts.follow ?? startTopologyFollower
  void follow({
    controlPlane: { url: 'http://control', bearerToken: 'a-token' },
    router: place,
    fleet: parts.fleet,
    trustedKeys: parts.trustedKeys,
    lastGood,
    refusals,
    pollMs: POLL_MS,
    bytesMax: DOCUMENT_BYTES_MAX,
    reading: READER_LIMITS,
    log,
    onTopology(next) {
      parts.onTopology(place, topology, next)
      cells.adopt(next)
      topology = next
      renewView(next)
    },
  }).then((started) => {
    follower = started
  })
  let claimed: Claim | null = null
  /** What it reports to have: what it has, but for a claim that a fault has put into its mouth. */
  const reported = (): Topology | null => {
    if (!claimed || !topology) return topology
    const { snapshot } = topology
    return { ...topology, snapshot: { ...snapshot, base: { ...snapshot.base, ...claimed } } }
  }
  const shares = createLimitShares({ cells, tenants })
  setInterval(() => {
    cells.tick()
    crashes.tick()
    shares.tick()
  }, TICK_MS)
  startReporter({
    url: 'http://control',
    bearerToken: 'a-token',
    router: place,
    cells,
    refusals,
    tenants,
    crashes,
    shares: parts.ignoresShares ? { take() {} } : shares,
    currentTopology: reported,
  })
  return {
    place,
    owner,
    cells,
    tenants,
    crashes,
    shares,
    refusals: counted,
    topology: () => topology,
    view: () => view,
    refresh: async () => follower?.refresh(),
    /** From now on its reports say that it has this base; null: the truth. */
    claim: (claim: Claim | null) => {
      claimed = claim
    },
    kill: () => network.kill(owner),
  }
}
