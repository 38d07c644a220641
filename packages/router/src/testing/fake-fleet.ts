/**
 * A fleet for tests: fake cells, a fake control plane, a base that places every ordered pair of cells equally often, and
 * routers on free ports with folders of their own.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  deriveRouterSecret,
  encodeTable,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import { bucketOf } from '@cellplane/core'
import { parseRouterConfig, type RouterConfig, type RouterConfigText } from '../config.ts'
import { createLogger } from '../log.ts'
import { type Router, type RouterDeps, startRouter } from '../router.ts'
import { type FakeCell, startFakeCell } from './fake-cell.ts'
import { ROUTER_TOKEN, startFakeControlPlane } from './fake-control-plane.ts'

export type FakeFleet = Awaited<ReturnType<typeof startFakeFleet>>

export type FleetOptions = {
  cells?: number
  /** Merged over the default base. */
  base?: Partial<UnsignedTopologyBase>
  /** False: the control plane serves nothing at first. */
  isPublished?: boolean
}

/** What a test may change of a router's configuration; limits are merged over the defaults. */
export type RouterOptions = Partial<Omit<RouterConfigText, 'limits'>> & {
  limits?: Partial<RouterConfig['limits']>
}

export const FLEET = 'test-fleet'
export const ROUTER_KEY = 'router-key-of-the-tests'
const BUCKETS = 64
const SEED = 7

export async function startFakeFleet(options: FleetOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'cellplane-router-'))
  const count = options.cells ?? 3
  const cells = await Promise.all(
    Array.from({ length: count }, (_, slot) => startFakeCell(`cell-${slot}`, slot)),
  )
  const controlPlane = await startFakeControlPlane()
  const files = {
    token: join(folder, 'router.token'),
    keys: join(folder, 'topology.jwks.json'),
    routerKey: join(folder, 'router.key'),
  }
  await Promise.all([
    writeFile(files.token, `${ROUTER_TOKEN}\n`),
    writeFile(files.keys, JSON.stringify(controlPlane.jwks)),
    writeFile(files.routerKey, `${ROUTER_KEY}\n`),
  ])
  const routers: Router[] = []
  const logLines: string[] = []
  let version = 0

  function buildBase(more: Partial<UnsignedTopologyBase> = {}): UnsignedTopologyBase {
    return { ...defaultBase(cells), ...options.base, version: ++version, ...more }
  }

  function buildOverlay(more: Partial<UnsignedTopologyOverlay> = {}): UnsignedTopologyOverlay {
    return {
      format: 1,
      kind: 'overlay',
      fleet: FLEET,
      epoch: 1,
      version: ++version,
      base_version: 1,
      issued_at: new Date().toISOString(),
      unhealthy: [],
      quarantined: [],
      ...more,
    }
  }

  function configOf({ limits = {}, ...more }: RouterOptions = {}): RouterConfig {
    const raw = {
      router: 'router-1',
      fleet: FLEET,
      listen: { host: '127.0.0.1', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
      state_dir: join(folder, more.router ?? 'router-1'),
      topology: { url: controlPlane.url, token_file: files.token, trusted_keys_file: files.keys },
      router_key_file: files.routerKey,
      jwks: null,
      poll_seconds: 0.2,
      // Patient: a busy machine is not what is tested.
      limits: { connect_timeout_ms: 20_000, stop_timeout_ms: 30_000, ...limits },
      ...more,
    }
    const config = parseRouterConfig(JSON.stringify(raw))
    if (!config.ok) throw new Error(JSON.stringify(config.problems))
    return config.value
  }

  const fleet = {
    folder,
    files,
    cells,
    controlPlane,
    logLines,
    configOf,
    buildBase,
    buildOverlay,
    publishBase(more: Partial<UnsignedTopologyBase> = {}): UnsignedTopologyBase {
      const base = buildBase(more)
      controlPlane.serve('base', controlPlane.sign(base))
      return base
    },
    publishOverlay(more: Partial<UnsignedTopologyOverlay> = {}): UnsignedTopologyOverlay {
      const overlay = buildOverlay(more)
      controlPlane.serve('overlay', controlPlane.sign(overlay))
      return overlay
    },
    async startRouter(more: RouterOptions = {}, deps: RouterDeps = {}): Promise<Router> {
      const log = createLogger((line) => logLines.push(line), {})
      const router = await startRouter(configOf(more), { log, ...deps })
      routers.push(router)
      return router
    },
    /** A key whose shard is these cells, home first. `nth` picks another one with the same shard. */
    tenantOn(home: number, alternate: number, nth = 0): string {
      let left = nth
      for (let i = 0; ; i++) {
        const tenant = `tenant-${i}`
        const [first, second] = pairOfBucket(bucketOf(tenant, SEED, BUCKETS), count)
        if (first === home && second === alternate && left-- === 0) return tenant
      }
    },
    secretOf: (cell: FakeCell) => deriveRouterSecret(ROUTER_KEY, FLEET, cell.id),
    /** Tells the routers to stop; resolves when they have. */
    async stopRouters(): Promise<void> {
      await Promise.all(routers.map((router) => router.stop()))
    },
    async stop(): Promise<void> {
      await fleet.stopRouters()
      await Promise.all([...cells.map((cell) => cell.kill()), controlPlane.stop()])
      await rm(folder, { recursive: true, force: true })
    },
  }
  if (options.isPublished !== false) {
    fleet.publishBase()
    fleet.publishOverlay()
  }
  return fleet
}

/** Ordered pairs of different cells in turn. */
function pairOfBucket(bucket: number, count: number): [number, number] {
  const pair = bucket % (count * (count - 1))
  const home = Math.floor(pair / (count - 1))
  const other = pair % (count - 1)
  return [home, other < home ? other : other + 1]
}

function defaultBase(cells: readonly FakeCell[]): UnsignedTopologyBase {
  const slots = Array.from({ length: BUCKETS }, (_, bucket) => pairOfBucket(bucket, cells.length))
  return {
    format: 1,
    kind: 'base',
    fleet: FLEET,
    fleet_kind: 'stateless',
    epoch: 1,
    version: 0,
    issued_at: new Date().toISOString(),
    topology_ttl_seconds: 60,
    hash: { name: 'xxh32', version: 1, seed: SEED, buckets: BUCKETS },
    placement: { algorithm: 'by-hand', version: 1 },
    shard_size: 2,
    choice: 'home-first',
    cells: cells.map((cell) => ({
      slot: cell.slot,
      id: cell.id,
      zone: 'local',
      region: 'local',
      role: 'serving',
      state: 'active',
      endpoints: { http: cell.url },
      capacity: {},
      weight: 10,
      release: 'test',
    })),
    table: encodeTable(Uint16Array.from(slots.flat())),
    former_tables: [],
    overrides: [],
    partition_key: [{ from: 'header', name: 'x-tenant' }],
    tokens: null,
    routes: [
      { path: '/v1/things/{id}', failover: 'idempotent', cell_in: 'id' },
      { path: '/home-only/*', failover: 'home-only' },
    ],
    quarantine: { cell: null },
    limits: { ramp_seconds: 1, unhealthy_share_max: 0.5 },
  }
}
