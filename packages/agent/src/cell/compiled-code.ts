/**
 * A cell's compile cache, filled from the host's before anything of the cell runs.
 *
 * Stripping types and compiling takes most of a Node process's start, and comes to the same in every cell of a host. So
 * what a `build` target made Node compile, once, is handed to each cell. As a copy, because whoever writes a cache
 * decides what code its readers run: only the agent's user writes the host's, only the cell's user the copy.
 *
 * The copy is made beside the cell's folder, given away when it is whole, and renamed: the agent never writes where a
 * cell may have planted a link. Node reads from a subfolder that ends in its user's id; a Node that names it otherwise
 * finds nothing there and compiles for itself.
 */
import { chmod, copyFile, lchown, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { OsUser } from '@cellplane/postgres'

/** Copied at once: as many as the threads that Node copies with. */
const COPIES_AT_ONCE = 4

/** `to` becomes a copy of `from`, owner's alone; where nothing was compiled it stays as it is. Its former content is dropped. */
export async function giveCompiledCode(from: string, to: string, owner: OsUser | undefined): Promise<void> {
  const uid = process.getuid?.()
  const folders = (await readdir(from).catch(() => [])).filter((name) => name.endsWith(`-${uid}`))
  if (folders.length === 0) return
  const [coming, going] = [`${to}.new`, `${to}.old`]
  await rm(coming, { recursive: true, force: true })
  await mkdir(coming, { mode: 0o700 })
  for (const name of folders) {
    const folder = join(coming, owner ? name.replace(/\d+$/, String(owner.uid)) : name)
    await mkdir(folder, { mode: 0o700 })
    await copyFiles(join(from, name), folder, owner)
    if (owner) await lchown(folder, owner.uid, owner.gid)
  }
  if (owner) await lchown(coming, owner.uid, owner.gid)
  await rm(going, { recursive: true, force: true })
  await rename(to, going)
  // Out of the cell's reach before it is walked through.
  if (owner) await lchown(going, uid!, process.getgid!())
  await chmod(going, 0o700)
  await rename(coming, to)
  await rm(going, { recursive: true, force: true })
}

async function copyFiles(from: string, to: string, owner: OsUser | undefined): Promise<void> {
  const names = await readdir(from)
  const work = async () => {
    for (let name = names.pop(); name; name = names.pop()) {
      const copy = join(to, name)
      await copyFile(join(from, name), copy)
      if (owner) await lchown(copy, owner.uid, owner.gid)
    }
  }
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, work))
}
