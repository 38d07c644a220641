/**
 * Makes a new, empty cluster: the folder that one PostgreSQL server keeps its databases in.
 *
 * It is made beside its final place and renamed when it is complete and on disk, so a cluster exists wholly or not at
 * all, whenever the machine stops.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, lchown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findInitUser, type OsUser, refuseRoot, traversalProblem } from './os-user.ts'
import type { PostgresRuntime } from './runtime.ts'

export type ClusterOptions = {
  runtime: PostgresRuntime
  /** Its parent is made when absent. */
  dataDir: string
  /** Name and password of the superuser. */
  user: string
  password: string
  /** Owner of the cluster. Needed as root, not allowed otherwise. */
  osUser?: OsUser | undefined
}

/** initdb takes about a second of one core; beyond this something hangs. */
const INITDB_TIMEOUT_MS = 120_000

/** A cell writes little: 4 MB segments keep an idle cluster at 30 MB instead of 46 MB, and 16 of them off a laptop's disk. */
const WAL_SEGMENT_MB = 4

/** Whether there is a cluster; a folder that was left half-made is none. */
export function isCluster(dataDir: string): boolean {
  return existsSync(join(dataDir, 'PG_VERSION'))
}

/** Does nothing and answers false when the cluster exists already. */
export async function initCluster(options: ClusterOptions): Promise<boolean> {
  const { dataDir, osUser } = options
  refuseRoot(osUser)
  if (isCluster(dataDir)) return false
  await mkdir(dirname(dataDir), { recursive: true, mode: 0o755 })
  const initUser = osUser && (await findInitUser())
  for (const user of osUser && initUser ? [osUser, initUser] : []) {
    const why = await traversalProblem(dirname(dataDir), user)
    if (why) {
      throw new Error(
        `a PostgreSQL cluster cannot live in ${dataDir}: ${why}; choose a state directory that every user may enter, such as one in /var/lib`,
      )
    }
  }
  const partial = `${dataDir}.init`
  const passwordFile = `${dataDir}.password`
  await rm(partial, { recursive: true, force: true })
  try {
    await mkdir(partial, { mode: 0o700 })
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 })
    if (initUser) {
      await chown(partial, initUser.uid, initUser.gid)
      await chown(passwordFile, initUser.uid, initUser.gid)
    }
    await runInitdb(options, partial, passwordFile, initUser)
    if (osUser) await chownTree(partial, osUser)
    await rename(partial, dataDir)
  } finally {
    await rm(passwordFile, { force: true })
    await rm(partial, { recursive: true, force: true })
  }
  return true
}

async function runInitdb(
  { runtime, user }: ClusterOptions,
  dataDir: string,
  passwordFile: string,
  initUser: OsUser | undefined,
): Promise<void> {
  const args = [
    `--pgdata=${dataDir}`,
    `--username=${user}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The built-in provider sorts by code point on every machine: no index breaks when a C library or ICU is upgraded.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    `--wal-segsize=${WAL_SEGMENT_MB}`,
    // One call for the whole file system, where there is one, rather than one for each of a thousand files: clusters are
    // made several at a time, and that is what they would wait for.
    ...(process.platform === 'linux' ? ['--sync-method=syncfs'] : []),
  ]
  try {
    await promisify(execFile)(join(runtime.binDir, 'initdb'), args, {
      ...initUser,
      cwd: dataDir,
      // TZ, because initdb otherwise probes the machine's; the server's own setting says UTC as well.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      timeout: INITDB_TIMEOUT_MS,
    })
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    throw new Error(`initdb failed in ${dataDir}: ${stderr?.trim() || message}`, { cause: error })
  }
}

async function chownTree(path: string, { uid, gid }: OsUser): Promise<void> {
  await lchown(path, uid, gid)
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), uid, gid)
  }
}
