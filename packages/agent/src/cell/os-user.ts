/**
 * The operating system users of a cell.
 *
 * As root, every cell has a uid of its own: its cluster and its components cannot read another cell's files, signal
 * its processes or read the agent's secrets. The components can run as that user only where it can enter the fleet's
 * folder and reach the Node that runs them; a clone in /root is closed to it, and then they run as root, which the
 * report says. Not as root there is one user, and nothing to choose.
 */
import { type OsUser, traversalProblem } from '@cellplane/postgres'

export type CellUsers = {
  postgres: OsUser | undefined
  components: OsUser | undefined
  /** For the report. */
  note: string
}

export async function cellUsers(
  uidBase: number,
  slot: number,
  directories: readonly string[],
): Promise<CellUsers> {
  if (process.getuid?.() !== 0) {
    return {
      postgres: undefined,
      components: undefined,
      note: 'all cells run as one user: the agent is not root',
    }
  }
  const user = { uid: uidBase + slot, gid: uidBase + slot }
  for (const directory of directories) {
    const why = await traversalProblem(directory, user)
    if (why) return { postgres: user, components: undefined, note: `components run as root: ${why}` }
  }
  return { postgres: user, components: user, note: `runs as uid ${user.uid}` }
}
