/**
 * The control plane, composed: store → lease → tenure, and the API in front of what is known.
 *
 * A replica with the lease decides and publishes; one without it answers reads, follows what is published, and asks for
 * the lease again and again. Nothing that serves a request waits for either.
 */
import type { Cell } from '@cellplane/contract'
import { slosOf } from '@cellplane/contract/fleet-file'
import type { Logger } from 'pino'
import { createApi } from './api/api.ts'
import { createAuthenticator } from './api/authentication.ts'
import { automationHandlers } from './api/handlers/automation.ts'
import { baseChangeHandlers } from './api/handlers/base-changes.ts'
import { cellHandlers } from './api/handlers/cells.ts'
import { placementHandlers } from './api/handlers/placement.ts'
import { quarantineHandlers } from './api/handlers/quarantines.ts'
import { reportHandlers } from './api/handlers/reports.ts'
import { telemetryHandlers } from './api/handlers/telemetry.ts'
import { tenantHandlers } from './api/handlers/tenants.ts'
import { topologyHandlers } from './api/handlers/topology.ts'
import { type RunningServer, serveApi } from './api/server.ts'
import { createTopologyEvents } from './api/topology-events.ts'
import { createBell } from './bell.ts'
import { monotonicNow } from './clock.ts'
import type { ControlConfig } from './config.ts'
import { startObservations } from './health/observations.ts'
import { createAutomation } from './leader/automation.ts'
import { createLeadership } from './leader/leadership.ts'
import { startLoop } from './leader/loop.ts'
import { createCellReconciler } from './leader/reconcile-cells.ts'
import { createMetrics } from './metrics.ts'
import { publishObjects } from './object-store/publish-objects.ts'
import { createS3Store } from './object-store/s3.ts'
import { createQuarantineChanges } from './quarantine/quarantine-changes.ts'
import { createCellChanges } from './registry/cell-changes.ts'
import { createCellSettings } from './registry/cell-settings.ts'
import { createZoneChanges } from './registry/zone-changes.ts'
import { SETTINGS, SETTINGS_KEY } from './store/collections.ts'
import { openPostgresStore } from './store/postgres.ts'
import { describeInvalidRow, type InvalidRow, type Store } from './store/store.ts'
import { prometheusOptions } from './telemetry/prometheus-config.ts'
import { requestRates } from './telemetry/request-rates.ts'
import { startTelemetry } from './telemetry/telemetry.ts'
import { startWebhooks } from './telemetry/webhooks.ts'
import { createObservedTenants } from './tenants/observed-tenants.ts'
import { createTenantChanges } from './tenants/tenant-changes.ts'
import { describeCrowded } from './tenants/tenant-load.ts'
import { createBasePlanner } from './topology/base-planner.ts'
import { createBlastRadiusMeter } from './topology/blast-radius.ts'
import { createPublished } from './topology/published.ts'
import { createPublishedFiles } from './topology/published-files.ts'
import { createPublisher } from './topology/publisher.ts'
import { followKeys } from './topology/signing-keys.ts'

export type Control = {
  /** Where the API listens. */
  url: string
  isLeader(): boolean
  stop(): Promise<void>
}

/** Throws when the store does not answer, belongs to another fleet or to a newer version, or the port is taken. */
export async function startControl(config: ControlConfig, logger: Logger): Promise<Control> {
  const { fleet, signingKey, timing } = config
  const now = Date.now
  const stopping = new AbortController()
  const keys = config.trustedKeys ?? new Map([[signingKey.id, signingKey.publicKey]])
  const published = createPublished(keys, fleet.fleet)
  const leadership = createLeadership()
  const observations = startObservations(fleet, now, () => leadership.current()?.wake(), config.routerKey)
  const tenants = createObservedTenants()
  const ordersChanged = createBell()
  const automation = createAutomation((part, reason, kind) =>
    reason === null
      ? logger.info({ part }, kind === 'freeze' ? 'the freeze is over' : 'the problem is over')
      : logger.error({ part, reason }, kind === 'freeze' ? 'automation is frozen' : 'a part does not work'),
  )
  const metrics = createMetrics({
    isLeader: () => store.isWriter(),
    base: published.base,
    overlay: published.overlay,
    automation: automation.view,
    quarantined: () => published.overlay()?.overlay.quarantined.length ?? 0,
    subscribers: () => events.count(),
    healths: observations.listHealths,
    tenantFigures: observations.routers.tenantFigures,
  })
  const onInvalidRow = (row: InvalidRow) => {
    metrics.invalidRow(row.table)
    logger.error({ table: row.table, key: row.key }, describeInvalidRow(row))
  }

  const store: Store = await openPostgresStore({
    url: config.databaseUrl,
    leasePollMs: timing.lease_poll_ms,
    onInvalidRow,
    logger,
  })
  const planner = createBasePlanner({ fleet, published, now })
  const cellReconciler = createCellReconciler({ store, planner, timing, observations, now })
  const publisher = createPublisher({ store, planner, published, fleet, signingKey, keys })
  const files = createPublishedFiles(config.publishDir)
  const webhooks = startWebhooks({
    fleet: fleet.fleet,
    webhooks: config.alertWebhooks ?? [],
    logger,
    steadyNow: monotonicNow,
  })
  const slos = slosOf(fleet)
  const telemetry = startTelemetry({
    fleet: fleet.fleet,
    slos,
    store,
    observations,
    cellOf(slot) {
      const snapshot = published.base()?.snapshot
      return snapshot?.cells[snapshot.indexOfSlot(slot)]?.id
    },
    prometheus: config.prometheus && {
      ...prometheusOptions(config.prometheus),
      onFailure: metrics.prometheusFailure,
      signal: stopping.signal,
    },
    journalDir: config.metricsDir,
    onAlerts: webhooks.tell,
    onBlind: (reason) => automation.report('objectives', reason),
    onJournal: (reason) => automation.report('metrics', reason),
    logger,
    now,
    steadyNow: monotonicNow,
  })
  let telemetryEnded = Promise.resolve()
  let objectsEnded = Promise.resolve()
  function lead(signal: AbortSignal): void {
    const parts = {
      config,
      store,
      planner,
      published,
      files,
      publisher,
      observations,
      tenants,
      cellReconciler,
      automation,
    }
    leadership.begin({ ...parts, ordersChanged, now }, signal)
    telemetryEnded = telemetry.lead(signal)
    if (config.s3) {
      objectsEnded = publishObjects(
        {
          published,
          store: createS3Store(config.s3),
          ...{ fleet: fleet.fleet, prefix: config.s3.prefix, automation },
          onFailure: metrics.s3Failure,
        },
        signal,
      )
    }
  }
  /** Without the lease: what the other replica published. */
  const follower = startLoop({
    intervalMs: timing.lease_poll_ms,
    signal: stopping.signal,
    async run() {
      if (store.isWriter()) return
      // A row that cannot be read was counted and logged; what is held stays, and the next look may fare better.
      await published
        .refresh(store)
        // This replica's witness, should it lead one day and find a store that is an older copy.
        .then(() => files.sync(published))
        .catch((error: Error) => logger.warn({ error: error.message }, 'no refresh'))
    },
  })

  const followedKeys =
    config.keyFiles &&
    followKeys({
      files: config.keyFiles,
      keys: { signingKey, trusted: keys },
      intervalMs: timing.reconcile_ms,
      signal: stopping.signal,
      logger,
    })
  const events = createTopologyEvents(published, timing.event_ping_ms, stopping.signal)
  const whyWaiting = (cell: Cell): string | undefined => {
    const crowded = publisher.crowded().find((one) => one.slot === cell.slot)
    return cellReconciler.whyWaiting(cell.id) ?? (crowded && describeCrowded(crowded, fleet.kind))
  }
  const cellChanges = createCellChanges({
    fleet,
    planner,
    defaultHost: config.defaultHost,
    published,
    observations,
    now,
  })
  const zones = createZoneChanges({
    ...{ planner, published, observations, now },
    // Only the replica with the lease hears routers, and only it changes anything. A zone that burns does not wait for
    // a Prometheus: without an answer its load is not known.
    requestRates: () => requestRates(telemetry.metrics, now()).catch(() => null),
  })
  const tenantChanges = createTenantChanges({ fleet, planner, published, now })
  const quarantineChanges = createQuarantineChanges(fleet, now)
  const blastRadius = createBlastRadiusMeter(store, published, now)
  const shared = { store, published, observations, tenure: leadership.current }
  const api = createApi({
    handlers: {
      ...automationHandlers({ store, automation, tenure: leadership.current, now }),
      ...baseChangeHandlers({ ...shared, planner, now }),
      ...cellHandlers({ ...shared, changes: cellChanges, whyWaiting }),
      ...placementHandlers({
        ...shared,
        ...{ planner, zones, whyWaiting, now },
        setCell: createCellSettings(fleet, planner, now),
      }),
      ...tenantHandlers({ ...shared, changes: tenantChanges, now }),
      ...quarantineHandlers({ ...shared, changes: quarantineChanges }),
      ...topologyHandlers({ ...shared, fleet, automation, blastRadius, whyWaiting }),
      ...telemetryHandlers({ ...shared, fleet: fleet.fleet, slos, automation, telemetry, now }),
      ...reportHandlers({
        ...shared,
        fleet: fleet.fleet,
        routerKey: config.routerKey,
        tenants,
        telemetry,
        ordersChanged,
        metrics,
        now: monotonicNow,
      }),
    },
    authenticate: createAuthenticator(config.tokens),
    events,
    metrics,
    isWriter: store.isWriter,
    async whyNotReady() {
      return store.get(SETTINGS, SETTINGS_KEY).then(
        () => null,
        (error: Error) => error.message,
      )
    },
    logger,
    stopping: stopping.signal,
  })

  let server: RunningServer | undefined
  async function stop(): Promise<void> {
    stopping.abort()
    await server?.stop()
    const last = leadership.current()
    await store.stop()
    await Promise.all([
      last?.ended,
      telemetryEnded.then(telemetry.stop),
      objectsEnded,
      webhooks.stop(),
      follower.ended,
      followedKeys,
      observations.stop(),
    ])
  }

  try {
    await checkFleet(store, fleet.fleet)
    server = await serveApi(api, config.listen)
    store.campaign(lead)
  } catch (error) {
    await stop()
    throw error
  }
  logger.info({ url: server.url }, 'control plane listens')
  return { url: server.url, isLeader: store.isWriter, stop }
}

/** Two fleets in one store would each undo what the other publishes. */
async function checkFleet(store: Store, fleet: string): Promise<void> {
  const settings = await store.get(SETTINGS, SETTINGS_KEY)
  if (settings && settings.fleet !== fleet) {
    throw new Error(
      `the store belongs to fleet "${settings.fleet}"; expected "${fleet}"; give each fleet a database of its own`,
    )
  }
}
