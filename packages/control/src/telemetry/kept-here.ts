/**
 * Metrics that the replica keeps by itself, with nothing else to install: in memory, and in a journal on disk where it has a
 * folder for one.
 *
 *     report ──▶ traffic ──▶ rolling store
 *                                 │
 *                              journal
 *
 * They are the replica's own: reports go to the one with the lease, and another one that takes over begins with what it
 * heard when it led last.
 */
import { createRollingStore, type Journal, openJournal } from '@cellplane/telemetry'
import type { Logger } from 'pino'
import type { RouterReports } from '../routers/router-reports.ts'
import type { Keeper } from './keeper.ts'
import { createTraffic, type TrafficOptions } from './traffic.ts'

export type KeptHereOptions = Pick<TrafficOptions, 'cellOf' | 'now' | 'uptimeMs'> & {
  /** Where metrics are kept over restarts; undefined: nowhere. */
  journalDir: string | undefined
  /** What of metrics a restart would lose, or has lost, and why; null: nothing. Called with each save. */
  onJournal(reason: string | null): void
  /** Who was heard when. */
  routers: Pick<RouterReports, 'areHeardThroughout'>
  logger: Pick<Logger, 'info'>
  /** Ms that never step back. */
  steadyNow(): number
}

export function keepHere(options: KeptHereOptions): Keeper {
  const { journalDir, onJournal, routers, logger, now, steadyNow, ...rest } = options
  const metrics = createRollingStore()
  const traffic = createTraffic({ metrics, now, ...rest })
  let journal: Journal | undefined
  let whyNone: string | null = null

  /** Reads what was kept while reports are taken already: it may be a hundred megabytes. */
  async function restore(folder: string): Promise<void> {
    const began = steadyNow()
    journal = await openJournal(folder, metrics, now())
    const ms = Math.round(steadyNow() - began)
    logger.info(
      { folder, skipped: journal.skipped, unreadable: journal.unreadable.size, ms },
      'metrics restored',
    )
  }

  async function save(): Promise<void> {
    try {
      await journal?.save(now())
      onJournal(journal ? whatIsMissing(journal.unreadable) : whyNone)
    } catch (error) {
      onJournal(
        `metrics of now would be lost by a restart: their journal cannot be written (${(error as Error).message}); make room, or mend the disk`,
      )
    }
  }
  const restored =
    journalDir === undefined
      ? Promise.resolve()
      : restore(journalDir).catch((error: Error) => {
          whyNone = `metrics would be lost by a restart: their journal cannot be opened (${error.message}); mend the folder and start the control plane again`
        })

  return {
    metrics,
    watched: metrics,
    windows: metrics,
    isMeasuredByAll: async ({ seconds }, since) => routers.areHeardThroughout(seconds * 1_000, now() - since),
    async whyUnmeasured() {
      const cells = traffic.takeUnmeasured()
      const [first] = cells
      if (first === undefined) return null
      return `nothing is measured of ${cells.size} cells, "${first}" among them, so that no alert comes of them: there is room for no more, and cells that are retired have theirs for 31 days; have a Prometheus keep the metrics, or wait`
    },
    isShared: false,
    record: traffic.record,
    recordLevels: traffic.recordLevels,
    forget: metrics.forget,
    restored,
    save,
  }
}

function whatIsMissing(unreadable: Journal['unreadable']): string | null {
  const [first] = unreadable
  if (!first) return null
  const [file, why] = first
  return `metrics of before the start are incomplete: of their journal ${unreadable.size} files cannot be read, the first is ${file} (${why}); mend the disk and start the control plane again, or remove them`
}
