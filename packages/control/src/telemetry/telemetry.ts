/**
 * Telemetry of a control replica: what routers report becomes metrics of cells, or a Prometheus has them from routers; and
 * the replica with the lease looks every ten seconds at how each cell stands to its objectives.
 *
 *     report ──▶ kept here ───────────┐
 *                                     ├──▶ budgets ──▶ alerts ──▶ incidents
 *     routers ──▶ a Prometheus ───────┘
 *     report ──▶ hours of tenants
 *
 * While a Prometheus does not answer, alerts and incidents stay as they are, and the look says why.
 */
import type { RouterReport, Slo } from '@cellplane/contract'
import { FINE_SECONDS, MetricsUnavailable, type PrometheusOptions } from '@cellplane/telemetry'
import type { Logger } from 'pino'
import type { Observations } from '../health/observations.ts'
import { startLoop } from '../leader/loop.ts'
import { NotLeader, type Store } from '../store/store.ts'
import { keptByPrometheus } from './kept-by-prometheus.ts'
import { keepHere } from './kept-here.ts'
import { createTenantHours } from './tenant-hours.ts'
import { createWatch, type WatchOptions } from './watch.ts'

/** In-flight levels are taken, and it is looked whether a step is over, this often. */
const LOOK_MS = 1_000
/** Reports of a step that is over still come for as long. */
const SETTLE_MS = 2_000
const STEP_MS = FINE_SECONDS * 1_000
const TENANTS_SAVE_MS = 60_000

export type TelemetryOptions = {
  fleet: string
  slos: readonly Slo[]
  store: Pick<Store, 'list' | 'write'>
  observations: Pick<Observations, 'routers' | 'healthOf'>
  cellOf(slot: number): string | undefined
  /** Who keeps the metrics; undefined: this replica. */
  prometheus: PrometheusOptions | undefined
  /** Where they are kept over restarts, if here; undefined: nowhere. */
  journalDir: string | undefined
  onAlerts: WatchOptions['onAlerts']
  /** Why objectives are not looked at, or at less than there is, and null when they are again. */
  onBlind(reason: string | null): void
  /** What of metrics that are kept here a restart would lose, or has lost; null: nothing. */
  onJournal(reason: string | null): void
  logger: Pick<Logger, 'info' | 'warn'>
  /** Ms since the epoch. */
  now(): number
  /** Ms that never step back. */
  steadyNow(): number
}

export type Telemetry = ReturnType<typeof startTelemetry>

export function startTelemetry(options: TelemetryOptions) {
  const { fleet, slos, store, observations, prometheus, logger, now, steadyNow } = options
  const startedAt = steadyNow()
  const keeper = prometheus
    ? keptByPrometheus({ ...prometheus, fleet })
    : keepHere({ ...options, routers: observations.routers, uptimeMs: () => steadyNow() - startedAt })
  const tenantHours = createTenantHours()
  const watch = createWatch({ slos, store, keeper, observations, onAlerts: options.onAlerts })
  let tenantsSavedAt = steadyNow()
  /** Why the last look could not be, or saw less than there is; null: it saw all. */
  let blind: string | null = null

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

  /** Said once: while it lasts, the words for it may change with each question. */
  function tellBlind(reason: string | null): void {
    if ((blind === null) === (reason === null)) return
    blind = reason
    options.onBlind(reason)
  }

  async function look(until: number): Promise<void> {
    try {
      await watch.look(until)
      tellBlind(await keeper.whyUnmeasured(until))
    } catch (error) {
      if (!(error instanceof MetricsUnavailable)) throw error
      tellBlind(`objectives are not looked at, and alerts stay as they are: ${error.message}`)
    }
  }

  return {
    metrics: keeper.metrics,
    isShared: keeper.isShared,
    standing: watch.standing,
    record(report: RouterReport): void {
      keeper.record(report)
      tenantHours.record(report.tenants)
    },
    /** What the replica with the lease does, until the signal. */
    async lead(signal: AbortSignal): Promise<void> {
      // Without what was kept, a budget would look untouched and an open incident over.
      await keeper.restored
      let lookedUntil = 0
      const loop = startLoop({
        intervalMs: LOOK_MS,
        signal,
        async run() {
          keeper.recordLevels(observations.routers.inFlightBySlot())
          const until = Math.floor((now() - SETTLE_MS) / STEP_MS) * STEP_MS
          if (until === lookedUntil) return
          lookedUntil = until
          await keeper.save()
          await part('objectives', () => look(until))
          await part('tenants', saveTenants)
        },
      })
      await loop.ended
      watch.forget()
      tellBlind(null)
    },
    /** Resolves when all steps that are over are on disk. */
    async stop(): Promise<void> {
      await keeper.restored
      await keeper.save()
    },
  }
}
