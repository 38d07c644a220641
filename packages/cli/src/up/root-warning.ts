/**
 * A warning for `up` as root where cells cannot have users of their own.
 *
 * As root, each cell's components run as a user of their own, unless that user cannot enter the fleet's folder or reach
 * Node, as in a clone under /root. The agent then lets them run as root; whoever starts the fleet should know before.
 */
import { dirname } from 'node:path'
import { type OsUser, traversalProblem } from '@cellplane/postgres'
import { isRoot } from '../fleet/state-dir.ts'

/** The first cell's: all of them are in the same position. */
const CELL_USER: OsUser = { uid: 70_000, gid: 70_000 }

/** Undefined when there is nothing to say. */
export async function rootWarning(
  directory: string,
  user: OsUser | null = isRoot() ? CELL_USER : null,
): Promise<string | undefined> {
  if (user === null) return undefined
  for (const folder of [directory, dirname(process.execPath)]) {
    const why = await traversalProblem(folder, user)
    if (why !== undefined) {
      return `you are root, and the cells' components run as root too: ${why}; move the folder to where every user may enter, such as /srv, or run \`up\` as another user`
    }
  }
  return undefined
}
