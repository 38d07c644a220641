/**
 * A router, put together: the documents on one side, the public port on the other, and between them one reference to
 * what is current. Nothing on the request's path waits for anything here.
 *
 *     last good files ───────┐
 *     control plane, objects ┴▶ follower ──▶ cells, view ──▶ public port
 *                                                └──▶ admin port, reports
 */
import { readFile } from 'node:fs/promises'
import { type AdminServer, startAdminServer } from './admin/admin-server.ts'
import { createAddresses } from './cells/addresses.ts'
import { createCells, TICK_MS } from './cells/cells.ts'
import type { RouterConfig } from './config.ts'
import { createCrashWatch } from './decision/crash-watch.ts'
import { createLimitShares } from './decision/limit-shares.ts'
import { buildRoutingView, type RoutingView } from './decision/routing-view.ts'
import { createTenants } from './decision/tenants.ts'
import { READER_LIMITS, type ReaderLimits } from './documents/document-reader.ts'
import type { FetchWaits } from './documents/fetch-document.ts'
import { openLastGood } from './documents/last-good.ts'
import type { FollowedStore } from './documents/object-store-source.ts'
import { createRefusals } from './documents/refusals.ts'
import {
  type ControlPlane,
  startTopologyFollower,
  type Topology,
  type TopologyFollower,
} from './documents/topology-follower.ts'
import { startTrustedKeys } from './documents/trusted-keys.ts'
import { createLogger, type Logger } from './log.ts'
import { type Reporter, startReporter } from './reports/reporter.ts'
import { createAccessLog } from './serve/access-log.ts'
import { type PublicServer, type PublicServerOptions, startPublicServer } from './serve/public-server.ts'
import { createTraffic } from './serve/traffic.ts'
import { type CellTls, startCellTls } from './tls/cell-tls.ts'
import { startTokenVerification } from './tokens/token-verification.ts'
import { startTracing } from './tracing/tracing.ts'

export type Router = {
  /** The ports in use, also when the configuration left the choice to the operating system. */
  readonly port: number
  readonly adminPort: number
  /** Null without TLS; the same as `port` when there is nothing else. */
  readonly tlsPort: number | null
  /** Takes the files of TLS anew, whether or not they have changed; what cannot be used is logged. */
  reload(): void
  /** Finishes what is under way, within the configured time, and closes everything. May be called again. */
  stop(): Promise<void>
}

export type RouterDeps = {
  log?: Logger
  reads?: PublicServerOptions['reads']
  reading?: ReaderLimits
  fetching?: FetchWaits
}

/**
 * Starts a router. It serves as soon as this resolves: from the last good documents when the control plane is gone.
 * The admin port is open before that, as the reading of a large one takes long.
 *
 * Rejects when a file that the configuration names cannot be used, or a port is taken. When `signal` aborts meanwhile, it
 * rejects with the signal's reason, and nothing of it is left; afterwards the signal means nothing.
 */
export async function startRouter(
  config: RouterConfig,
  deps: RouterDeps = {},
  signal?: AbortSignal,
): Promise<Router> {
  const { limits, topology } = config
  const log =
    deps.log ??
    createLogger((line) => process.stdout.write(line), { router: config.router, fleet: config.fleet })
  const [routerKey, controlPlane] = await Promise.all([
    readSecret(config.router_key_file),
    readControlPlane(topology),
  ])
  const lastGood = await openLastGood(config.state_dir)
  const refusals = createRefusals(log)
  const cells = createCells(config.fleet, routerKey, limits, log)
  const tenants = createTenants(limits.tenants_tracked_max)
  const traffic = createTraffic()

  // Whatever was started is stopped in reverse order, also when a later part cannot start.
  const stops: (() => Promise<void> | void)[] = []
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  try {
    const tokens = await startTokenVerification({
      source: config.jwks,
      cachedMax: limits.tokens_cached_max,
      lastGood,
      refusals,
      log,
    })
    stops.push(() => tokens.stop())
    const { verifier } = tokens

    const pollMs = config.poll_seconds * 1000
    const addresses = createAddresses()
    const cellTls: CellTls = await startCellTls(config.cells_tls, addresses, pollMs, log)
    stops.push(() => cellTls.stop())

    const trusted = await startTrustedKeys(topology.trusted_keys_file, pollMs, log)
    stops.push(() => trusted.stop())

    let view: RoutingView | null = null
    let follower: TopologyFollower | null = null
    const crashes = createCrashWatch({
      log,
      onChange: () => follower?.current && renewView(follower.current),
    })
    stops.push(() => crashes.stop())
    const renewView = (current: Topology) => {
      const previous = view
      view = buildRoutingView(current, cells.arrays, crashes.suspended, previous)
      const { ignoredBecause: why } = view.held
      if (why !== '' && previous?.held.ignoredBecause !== why)
        log.warn('the overlay’s holds are ignored', { why })
      if (view !== previous) tenants.forgetShards()
    }
    let server: PublicServer | null = null
    const shares = createLimitShares({ cells, tenants })
    const ticking = setInterval(() => {
      cells.tick()
      crashes.tick()
      shares.tick()
    }, TICK_MS)
    stops.push(() => clearInterval(ticking))

    const reporter = controlPlane
      ? startReporter({
          ...controlPlane,
          router: config.router,
          cells,
          refusals,
          tenants,
          crashes,
          shares,
          currentTopology: () => follower?.current ?? null,
        })
      : NO_REPORTER
    stops.push(() => reporter.stop())

    const tracing = await startTracing(config)
    stops.push(() => tracing?.exporter.stop())

    const admin: AdminServer = await startAdminServer(
      {
        router: config.router,
        fleet: config.fleet,
        startedAt: new Date().toISOString(),
        cells,
        crashes,
        traffic,
        refusals,
        verifier,
        currentTopology: () => follower?.current ?? null,
        currentView: () => view,
        controlPlaneSeenAt: () => follower?.controlPlaneSeenAt ?? null,
        objectStore: () => follower?.objectStore ?? null,
        shares,
        reporter,
        spans: tracing?.exporter ?? null,
        holds: () => server?.holds ?? null,
        tls: () => ({ listener: server?.tls ?? null, cells: cellTls.files }),
      },
      config.admin,
    )
    stops.push(() => admin.stop())

    // After the admin port: to read a large base takes long, and probes are answered meanwhile.
    const following = await startTopologyFollower({
      controlPlane,
      objectStore: objectStoreOf(topology),
      router: config.router,
      fleet: config.fleet,
      trustedKeys: trusted.keys,
      lastGood,
      refusals,
      pollMs: controlPlane || !topology.s3 ? pollMs : topology.s3.poll_seconds * 1000,
      bytesMax: limits.document_bytes_max,
      reading: deps.reading ?? READER_LIMITS,
      fetching: deps.fetching,
      log,
      startSignal: signal,
      onTopology(current) {
        cells.adopt(current)
        renewView(current)
        server?.onTopology()
      },
    })
    follower = following
    stops.push(() => following.stop())
    signal?.throwIfAborted()

    const listening = await startPublicServer({
      listen: config.listen,
      filesPollMs: pollMs,
      cellTls,
      addresses,
      reads: deps.reads ?? 'shared',
      cells,
      crashes,
      tenants,
      limits,
      clientHeaders: config.client_headers,
      verifier,
      traffic,
      accessLog: createAccessLog(log, config.access_log.every_nth),
      tracing,
      log,
      currentView: () => view,
      refreshTopology: () => following.refresh(),
    })
    server = listening
    stops.push(() => listening.stop())
    stops.push(() => admin.beginStop())
    const tlsPort = listening.tls?.port ?? null
    log.info('router listening', { port: listening.port, tls_port: tlsPort, admin_port: admin.port })

    let stopped: Promise<void> | null = null
    return {
      port: listening.port,
      adminPort: admin.port,
      tlsPort,
      reload() {
        listening.tls?.certificates.reload()
        cellTls.files?.reload()
      },
      stop() {
        stopped ??= stopAll()
        return stopped
      },
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** Where nobody hears reports. Limits are then not divided: each router enforces the whole of them. */
const NO_REPORTER: Reporter = {
  dropped: 0,
  refusedShares: 0,
  lastSharesRefusal: null,
  stop: async () => {},
}

/** Null where the topology comes from an object store alone. */
async function readControlPlane({ url, token_file }: RouterConfig['topology']): Promise<ControlPlane | null> {
  if (url === undefined || token_file === undefined) return null
  return { url: url.replace(/\/$/, ''), bearerToken: await readSecret(token_file) }
}

function objectStoreOf({ s3 }: RouterConfig['topology']): FollowedStore | undefined {
  if (!s3) return undefined
  const { poll_seconds, after_seconds, ...access } = s3
  return { access, pollMs: poll_seconds * 1000, afterMs: after_seconds * 1000 }
}

async function readSecret(file: string): Promise<string> {
  const secret = (await readFile(file, 'utf8')).trim()
  if (secret === '') throw new Error(`${file} is empty; expected a secret in one line`)
  return secret
}
