/** The topology as files, base.json and overlay.json: for consumers on the same machine, and the control plane's own second copy. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '@cellplane/host'
import type { HeldDocument, Published } from './published.ts'

export const BASE_FILE = 'base.json'
export const OVERLAY_FILE = 'overlay.json'

export type PublishedFiles = ReturnType<typeof createPublishedFiles>

export function createPublishedFiles(folder: string) {
  /** What each file is known to hold, so that an unchanged one is left alone. */
  const written = new Map<string, string>()

  async function write(name: string, held: HeldDocument | null): Promise<void> {
    if (!held || written.get(name) === held.etag) return
    const file = join(folder, name)
    if ((await read(file)) !== held.text) await writeAtomically(file, held.text, { mode: 0o644 })
    written.set(name, held.etag)
  }

  return {
    readBase: (): Promise<string | undefined> => read(join(folder, BASE_FILE)),
    readOverlay: (): Promise<string | undefined> => read(join(folder, OVERLAY_FILE)),
    /** Brings the files to what is published. Safe to repeat: one that failed is written by the next call. */
    async sync(published: Published): Promise<void> {
      await mkdir(folder, { recursive: true })
      await write(BASE_FILE, published.baseFor())
      await write(OVERLAY_FILE, published.overlay())
    },
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
