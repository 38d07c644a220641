/**
 * The operating system users that PostgreSQL runs as when we are root.
 *
 * The server refuses root, so a cluster belongs to an unprivileged user. `postgres` itself needs no entry in
 * /etc/passwd, so every cell has a uid of its own that nobody had to create. `initdb` does look its user up: it runs
 * as `nobody`, and the cluster is handed over afterwards.
 *
 * A user that may not enter a parent directory fails late and obscurely ("could not access directory"), so paths are
 * checked beforehand, by the rules of path_resolution(7).
 */
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Numeric, because the user needs no entry in /etc/passwd. */
export type OsUser = { uid: number; gid: number }

/** Who may enter a directory: the execute bits of stat(2). */
const EXECUTE = { owner: 0o100, group: 0o010, other: 0o001 } as const

/**
 * Why `user` cannot reach `path`, or undefined when it can: the first directory above it, or `path` itself when it is
 * one, that the user may not enter. Access lists (ACLs) are not read.
 */
export async function traversalProblem(path: string, user: OsUser): Promise<string | undefined> {
  for (const directory of [...ancestors(resolve(path)), resolve(path)]) {
    const found = await stat(directory).catch(() => undefined)
    if (!found?.isDirectory()) continue
    const bit =
      found.uid === user.uid ? EXECUTE.owner : found.gid === user.gid ? EXECUTE.group : EXECUTE.other
    if ((found.mode & bit) === 0) {
      return `${directory} has mode ${(found.mode & 0o777).toString(8)}, so uid ${user.uid} cannot enter it`
    }
  }
  return undefined
}

/** The user of /etc/passwd that initdb runs as on behalf of one without an entry. */
export async function findInitUser(): Promise<OsUser> {
  const passwd = await readFile('/etc/passwd', 'utf8')
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd)
  if (!entry) {
    throw new Error(
      '/etc/passwd has no user "nobody", and initdb refuses root; add one (useradd --system nobody) or start as an ordinary user',
    )
  }
  return { uid: Number(entry[1]), gid: Number(entry[2]) }
}

/** Root without a user to run as: said before anything is spawned, since PostgreSQL's own message names no remedy. */
export function refuseRoot(osUser: OsUser | undefined): void {
  if (osUser === undefined && process.getuid?.() === 0) {
    throw new Error('PostgreSQL refuses to run as root; give `osUser`, an unprivileged uid and gid')
  }
}

/** `/a/b/c` → `/`, `/a`, `/a/b`. */
function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestors(parent), parent]
}
