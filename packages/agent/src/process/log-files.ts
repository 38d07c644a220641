/**
 * Log files that processes append to by themselves.
 *
 * A process holds its log open for appending, so neither a dead agent nor a full pipe stops it. The price is that a
 * file cannot be renamed away under it: it is copied, then truncated, and what was written in between is lost. That
 * happens once in 10 MB, and bounds a cell's logs at twice that per file.
 */
import { copyFile, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { pause } from '../wake.ts'

/** A day of a quiet component, an hour of a loud one. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024
/** At 5 MB/s, far above what a component logs, a file is at most double its size when it is found. */
const LOOK_EVERY_MS = 2_000

const DISK_FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT'])

/** Opens a log for appending; the caller closes its own handle once the process has it. */
export function openLog(file: string) {
  return open(file, 'a', 0o640)
}

/** Copies `x.log` to `x.log.1` and empties it, for every log of the folder that is too large. Throws after the last. */
export async function rotateLogs(directory: string, bytesMax: number): Promise<void> {
  const errors: unknown[] = []
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.log')) continue
    await rotateLog(join(directory, name), bytesMax).catch((error) => errors.push(error))
  }
  if (errors.length > 0) throw errors[0]
}

async function rotateLog(file: string, bytesMax: number): Promise<void> {
  if ((await stat(file)).size <= bytesMax) return
  try {
    await copyFile(file, `${file}.1`)
  } catch (error) {
    if (!DISK_FULL.has((error as NodeJS.ErrnoException).code)) throw error
    // Then the log may be what fills the disk: its lines are worth less than the room.
    await rm(`${file}.1`, { force: true })
  }
  await truncate(file)
}

export async function keepLogsBounded(directory: string, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await rotateLogs(directory, LOG_BYTES_MAX).catch((error: NodeJS.ErrnoException) => {
      // No folder yet: the cell has not started anything.
      if (error.code !== 'ENOENT') log.warn({ err: error, directory }, 'logs could not be rotated')
    })
    await pause(LOOK_EVERY_MS, signal)
  }
}
