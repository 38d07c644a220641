/**
 * Files that are there wholly or not at all, whenever the machine stops: written beside their place, forced to disk,
 * renamed; and the rename itself is on disk only when its folder is.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What is not said to be public is its owner's alone. */
const PRIVATE = 0o600

/** Replaces `file`: a reader sees the old content or the new one, and after a power cut as well. Parts are joined. */
export async function writeAtomically(
  file: string,
  content: string | readonly Uint8Array[],
  { mode = PRIVATE, owner }: { mode?: number; owner?: { uid: number; gid: number } | undefined } = {},
): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  try {
    const handle = await open(partial, 'wx', mode)
    try {
      // Each is written where the one before ended.
      for (const part of typeof content === 'string' ? [content] : content) await handle.writeFile(part)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // The mode of `open` passes through the umask.
    await chmod(partial, mode)
    if (owner) await chown(partial, owner.uid, owner.gid)
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  await syncFolder(dirname(file))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
