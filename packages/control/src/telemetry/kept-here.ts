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
import type { Keeper } from './keeper.ts'
import { createTraffic, type TrafficOptions } from './traffic.ts'

export type KeptHereOptions = Pick<TrafficOptions, 'cellOf' | 'now' | 'uptimeMs'> & {
  /** Where metrics are kept over restarts; undefined: nowhere. */
  journalDir: string | undefined
  /** What of metrics a restart would lose, or has lost, and why; null: nothing. Called with each save. */
  onJournal(reason: string | null): void
  logger: Pick<Logger, 'info'>
  /** Ms that never step back. */
  steadyNow(): number
}

export function keepHere(options: KeptHereOptions): Keeper {
  const { journalDir, onJournal, logger, now, steadyNow, ...rest } = options
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
    windows: metrics,
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
