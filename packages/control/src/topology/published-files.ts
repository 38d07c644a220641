/**
 * The topology as files, base.json and overlay.json: for consumers on the same machine, and the control plane's own second copy.
 *
 * As a second copy they are a witness: a store that is restored knows less than they do. So a genuine document that is
 * ahead of what is published stays until something newer is, which is of the epoch that begins for it.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  parseTopologyBase,
  parseTopologyOverlay,
  parseTopologyText,
  parseWith,
  type TopologyBase,
  type TopologyOverlay,
  type TrustedKeys,
  verifyDocument,
  versionSchema,
} from '@cellplane/contract'
import { writeAtomically } from '@cellplane/host'
import * as v from 'valibot'
import { isForgotten, isNewer, versionOf } from './older-store.ts'
import type { HeldDocument, Published } from './published.ts'

export const BASE_FILE = 'base.json'
export const OVERLAY_FILE = 'overlay.json'

type SignedDocument = TopologyBase | TopologyOverlay
const versionOnly = v.object({ epoch: versionSchema, version: versionSchema })

export type PublishedFiles = ReturnType<typeof createPublishedFiles>

export function createPublishedFiles(folder: string) {
  /** What was published when each file was looked at last, so that none is read again for the same. */
  const seen = new Map<string, string>()

  async function write(name: string, held: HeldDocument, document: SignedDocument, keys: TrustedKeys) {
    if (seen.get(name) === held.etag) return
    const file = join(folder, name)
    const found = await read(file)
    if (found !== held.text && !isAhead(found, document, keys)) {
      await writeAtomically(file, held.text, { mode: 0o644 })
    }
    seen.set(name, held.etag)
  }

  return {
    readBase: (): Promise<string | undefined> => read(join(folder, BASE_FILE)),
    readOverlay: (): Promise<string | undefined> => read(join(folder, OVERLAY_FILE)),
    /** Brings the files to what is published. Safe to repeat: one that failed is written by the next call. */
    async sync(published: Published): Promise<void> {
      await mkdir(folder, { recursive: true })
      const base = published.baseFor()
      if (base) await write(BASE_FILE, base, base.document, published.keys)
      const overlay = published.overlay()
      if (overlay) await write(OVERLAY_FILE, overlay, overlay.overlay, published.keys)
    },
  }
}

/** Whether a file has what the store of this document must have forgotten: it is signed, and newer or another of that version. */
export function isAhead(text: string | undefined, held: SignedDocument, keys: TrustedKeys): boolean {
  if (text === undefined) return false
  // Of a file that is older, which is the rule, no more is read than that.
  const version = parseTopologyText(text, (input) => parseWith(versionOnly, input))
  if (!version.ok || isNewer(held, version.value)) return false
  const found =
    'base_version' in held
      ? parseTopologyText(text, parseTopologyOverlay)
      : parseTopologyText(text, parseTopologyBase)
  if (!found.ok || found.value.fleet !== held.fleet) return false
  return isForgotten(versionOf(found.value), versionOf(held)) && verifyDocument(found.value, keys).ok
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
