/**
 * Telemetry of a control replica: what routers report becomes metrics of cells, kept in memory and in a journal on disk;
 * and the replica with the lease looks every ten seconds at how each cell stands to its objectives.
 *
 *     report ──▶ traffic ──▶ rolling store ──▶ budgets ──▶ alerts ──▶ incidents
 *                                   │
 *                                journal
 *
 * Metrics are the replica's own: reports go to the one with the lease, and another one that takes over begins with what
 * it heard when it led last. Fleets with several replicas that want more keep a Prometheus.
 */
import type { RouterReport, Slo } from '@cellplane/contract'
import {
  createRollingStore,
  FINE_SECONDS,
  type FleetMetrics,
  type Journal,
  openJournal,
} from '@cellplane/telemetry'
import type { Logger } from 'pino'
import type { Observations } from '../health/observations.ts'
import { startLoop } from '../leader/loop.ts'
import { NotLeader, type Store } from '../store/store.ts'
import { createTenantHours } from './tenant-hours.ts'
import { createTraffic } from './traffic.ts'
import { createWatch, type WatchOptions } from './watch.ts'

/** In-flight levels are taken, and it is looked whether a step is over, this often. */
const LOOK_MS = 1_000
/** Reports of a step that is over still come for as long. */
const SETTLE_MS = 2_000
const STEP_MS = FINE_SECONDS * 1_000
const TENANTS_SAVE_MS = 60_000

export type TelemetryOptions = {
  slos: readonly Slo[]
  store: Store
  observations: Pick<Observations, 'routers' | 'healthOf'>
  cellOf(slot: number): string | undefined
  /** Where metrics are kept over restarts; undefined: nowhere. */
  journalDir: string | undefined
  onAlerts: WatchOptions['onAlerts']
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Ms since the epoch. */
  now(): number
  /** Ms that never step back. */
  steadyNow(): number
}

export type Telemetry = ReturnType<typeof startTelemetry>

export function startTelemetry(options: TelemetryOptions) {
  const { slos, store, observations, cellOf, logger, now, steadyNow } = options
  const startedAt = steadyNow()
  const metrics = createRollingStore()
  const traffic = createTraffic({ metrics, cellOf, now, uptimeMs: () => steadyNow() - startedAt })
  const tenantHours = createTenantHours()
  const watch = createWatch({ slos, store, metrics, observations, onAlerts: options.onAlerts })
  let journal: Journal | undefined
  let tenantsSavedAt = steadyNow()

  /** Reads what was kept while reports are taken already: it may be a hundred megabytes. */
  async function restore(folder: string): Promise<void> {
    const began = steadyNow()
    journal = await openJournal(folder, metrics, now())
    const ms = Math.round(steadyNow() - began)
    logger.info({ folder, skipped: journal.skipped, ms }, 'metrics restored')
  }
  const restored =
    options.journalDir === undefined
      ? Promise.resolve()
      : restore(options.journalDir).catch((error: Error) =>
          logger.error({ error: error.message }, 'metrics are not kept: the journal cannot be opened'),
        )

  async function saveTenants(): Promise<void> {
    if (steadyNow() - tenantsSavedAt < TENANTS_SAVE_MS || tenantHours.isEmpty()) return
    tenantsSavedAt = steadyNow()
    await store.write((writer) => tenantHours.save(writer, now()))
  }

  /** One part that fails keeps no other from its turn, and is tried again. */
  async function part(name: string, run: () => Promise<void>): Promise<void> {
    await run().catch((error: Error) => {
      if (!(error instanceof NotLeader)) logger.warn({ part: name, error: error.message }, 'telemetry')
    })
  }
  const saveJournal = () => part('journal', async () => await journal?.save(now()))

  return {
    metrics: metrics as FleetMetrics,
    standing: watch.standing,
    record(report: RouterReport): void {
      traffic.record(report)
      tenantHours.record(report.tenants)
    },
    /** What the replica with the lease does, until the signal. */
    async lead(signal: AbortSignal): Promise<void> {
      // Without what was kept, a budget would look untouched and an open incident over.
      await restored
      let lookedUntil = 0
      const loop = startLoop({
        intervalMs: LOOK_MS,
        signal,
        async run() {
          traffic.recordLevels(observations.routers.inFlightBySlot())
          const until = Math.floor((now() - SETTLE_MS) / STEP_MS) * STEP_MS
          if (until === lookedUntil) return
          lookedUntil = until
          await saveJournal()
          await part('objectives', () => watch.look(until))
          await part('tenants', saveTenants)
        },
      })
      await loop.ended
      watch.forget()
    },
    /** Resolves when all steps that are over are on disk. */
    async stop(): Promise<void> {
      await restored
      await saveJournal()
    },
  }
}
