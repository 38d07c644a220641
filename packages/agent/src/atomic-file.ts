/** Files that are there wholly or not at all, and private ones. */
import { randomBytes } from 'node:crypto'
import { chown, open, rename, rm } from 'node:fs/promises'
import type { OsUser } from '@cellplane/postgres'

/** Secrets and orders: readable by their owner alone. */
const PRIVATE = 0o600

/** Replaces `file`, on disk before it has its name: after a power cut there is the old content or the new one. */
export async function writeAtomically(
  file: string,
  content: string,
  { mode = PRIVATE, owner }: { mode?: number; owner?: OsUser | undefined } = {},
): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}`
  try {
    const handle = await open(partial, 'wx', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (owner) await chown(partial, owner.uid, owner.gid)
    await rename(partial, file)
  } finally {
    await rm(partial, { force: true })
  }
}
