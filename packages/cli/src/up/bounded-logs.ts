/**
 * Keeps the planes' logs bounded. Processes append to their logs by themselves, so that neither we nor a full pipe can
 * stop them; a file can then not be renamed away under its writer, so it is copied and emptied. What is written in
 * between is lost: once in 10 MB.
 */
import { copyFile, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from '../pause.ts'

/** As the agent bounds the cells' logs; `x.log` and `x.log.1` take twice that. */
const LOG_BYTES_MAX = 10 * 1024 * 1024
const LOOK_EVERY_MS = 5_000

export function keepLogsBounded(folder: string): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const done = (async () => {
    while (!stopping.signal.aborted) {
      await rotateLogs(folder)
      await pause(LOOK_EVERY_MS, stopping.signal)
    }
  })()
  return {
    stop() {
      stopping.abort()
      return done
    },
  }
}

/** `x.log` that is too large becomes `x.log.1`. Where that fails, the next look tries again; on a full disk its text is given up. */
export async function rotateLogs(folder: string, bytesMax = LOG_BYTES_MAX): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.log')) continue
    const file = join(folder, name)
    try {
      if ((await stat(file)).size <= bytesMax) continue
      await copyFile(file, `${file}.1`).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error
        // A disk that is full of this log has room again only once the log is emptied.
        await rm(`${file}.1`, { force: true })
      })
      await truncate(file)
    } catch {
      // Told above.
    }
  }
}
