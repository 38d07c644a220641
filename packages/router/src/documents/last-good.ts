/**
 * The last good documents on disk: what lets a router that restarts while the control plane is gone serve at once.
 *
 * A crash leaves the old file or the new one. What is read back is believed no more than what comes from the network: the caller accepts it anew.
 */
import { mkdir, readFile, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '@cellplane/host'
import type { Chunks } from './read-document.ts'

export type DocumentName = 'base' | 'overlay' | 'jwks'

export type LastGood = {
  /** Undefined when there is none. `writtenAt` is ms since the epoch. Rejects when it cannot be read. */
  read(name: DocumentName): Promise<{ chunks: Chunks; writtenAt: number } | undefined>
  /** `writtenAt`: what `read` will say; now when left out. */
  write(name: DocumentName, content: string | Chunks, writtenAt?: number): Promise<void>
}

/** Keeps each document as `<folder>/<name>.json`. */
export async function openLastGood(folder: string): Promise<LastGood> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pathOf = (name: DocumentName) => join(folder, `${name}.json`)
  return {
    async read(name) {
      try {
        const [bytes, { mtimeMs }] = await Promise.all([readFile(pathOf(name)), stat(pathOf(name))])
        return { chunks: [bytes], writtenAt: mtimeMs }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async write(name, content, writtenAt) {
      await writeAtomically(pathOf(name), content)
      if (writtenAt !== undefined) await utimes(pathOf(name), new Date(), writtenAt / 1000)
    },
  }
}
