/**
 * Keeps what was accepted on disk, for as long as that takes: a full disk is tried again, or a restart would find an older
 * document. At most one of each kind waits, and the router never waits for it.
 */
import type { Logger } from '../log.ts'
import type { LastGood } from './last-good.ts'
import type { Chunks, DocumentKind } from './read-document.ts'

export type Saving = {
  /** This is the document of its kind from now on. Never rejects. */
  keep(kind: DocumentKind, chunks: Chunks, confirmedAt: number): Promise<void>
  /** Writes what could not be written before. `confirmedAt`: when it was last said to be current, if that is news. */
  retry(kind: DocumentKind, confirmedAt?: number): Promise<void>
}

export function createSaving(lastGood: LastGood, log: Logger): Saving {
  const unsaved = new Map<DocumentKind, { chunks: Chunks; confirmedAt: number }>()
  /** Kinds whose last write failed; said once in the log. */
  const unwritable = new Set<DocumentKind>()

  async function save(kind: DocumentKind): Promise<void> {
    const document = unsaved.get(kind)
    if (!document) return
    try {
      await lastGood.write(kind, document.chunks, document.confirmedAt)
      if (unsaved.get(kind) === document) unsaved.delete(kind)
      unwritable.delete(kind)
    } catch (error) {
      if (unwritable.has(kind)) return
      unwritable.add(kind)
      log.error(
        'the last good document could not be written; a restart without the control plane would use an older one',
        { document: kind, why: (error as Error).message },
      )
    }
  }

  return {
    keep(kind, chunks, confirmedAt) {
      unsaved.set(kind, { chunks, confirmedAt })
      return save(kind)
    },
    retry(kind, confirmedAt) {
      const document = unsaved.get(kind)
      if (document && confirmedAt !== undefined) unsaved.set(kind, { ...document, confirmedAt })
      return save(kind)
    },
  }
}
