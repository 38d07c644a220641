/**
 * One running PostgreSQL server: started, adopted, stopped.
 *
 * `postgres` is a direct child rather than a daemon of pg_ctl's: so its exit is seen at once, and a killed server can
 * be started again without waiting for someone else to reap it. It leads a process group of its own, so that a Ctrl-C
 * meant for us does not reach it, and its output goes to a file, so that it outlives us without a broken pipe.
 *
 * A server is known by its data folder: `postmaster.pid` in it names a process, and only if that process is a
 * `postgres` working in that folder is it the server. After a crash or a reboot the number may belong to anyone, even
 * to another process of the same user, and PostgreSQL would then refuse to start until somebody deletes the file.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isCluster } from './cluster.ts'
import { type OsUser, refuseRoot, traversalProblem } from './os-user.ts'
import { findServer, isAlive, killStrayBackends } from './processes.ts'
import type { PostgresRuntime } from './runtime.ts'
import { serverArguments } from './settings.ts'

/** `fast` ends sessions and writes a checkpoint; `immediate` stops like a crash, and the next start recovers. Nothing committed is lost either way. */
export type StopMode = 'fast' | 'immediate'

/** Both null for a server that was adopted: its exit status went to another parent. */
export type PostgresExit = { code: number | null; signal: NodeJS.Signals | null }

export type PostgresServer = {
  pid: number
  port: number
  /** Resolves when the server has ended, however; never rejects. */
  exited: Promise<PostgresExit>
  /** Resolves when no process of the server is left. Bounded: what does not stop is killed. */
  stop(mode: StopMode): Promise<void>
}

export type StartOptions = {
  runtime: PostgresRuntime
  dataDir: string
  /** Address to listen on; there is no Unix socket. */
  host: string
  port: number
  /** The server's output is appended here. */
  logFile: string
  /** Owner of the cluster. Needed as root, not allowed otherwise. */
  osUser?: OsUser | undefined
  /** Shows in `ps` and in log lines. */
  name?: string | undefined
  /** postgresql.conf parameters on top of ours. */
  settings?: Readonly<Record<string, string>> | undefined
}

const STOP_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** A fast stop writes at most `max_wal_size` of dirty pages: seconds on a slow disk. */
const FAST_STOP_MAX_MS = 15_000
const IMMEDIATE_STOP_MAX_MS = 5_000
/** How often an adopted server, which is nobody's child any more, is looked for. */
const ADOPTED_POLL_MS = 200

/**
 * Spawns the server on an existing cluster and answers at once; `waitReady` says when it serves. Processes left over
 * from a killed server on the same folder are ended first. Throws when there is no cluster, or a server runs on it.
 */
export async function startPostgres(options: StartOptions): Promise<PostgresServer> {
  const { runtime, dataDir, osUser } = options
  refuseRoot(osUser)
  await checkCluster(dataDir, osUser)
  await clearLeftovers(dataDir)
  await mkdir(dirname(options.logFile), { recursive: true })
  const log = await open(options.logFile, 'a', 0o640)
  try {
    const child = spawn(join(runtime.binDir, 'postgres'), serverArguments(options), {
      ...osUser,
      cwd: dataDir,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    const exited = exitOf(child)
    const pid = await spawned(child)
    return server({ pid, port: options.port }, dataDir, exited)
  } finally {
    await log.close()
  }
}

/** The server that runs on this cluster already, started by another process; undefined when none does. */
export async function adoptPostgres(dataDir: string): Promise<PostgresServer | undefined> {
  const found = await findServer(dataDir)
  return found && server(found, dataDir, pollExit(found.pid))
}

function server(
  { pid, port }: { pid: number; port: number },
  dataDir: string,
  exited: Promise<PostgresExit>,
): PostgresServer {
  const stop = async (mode: StopMode): Promise<void> => {
    const steps = [
      ...(mode === 'fast' ? [{ signal: STOP_SIGNALS.fast, waitMs: FAST_STOP_MAX_MS }] : []),
      { signal: STOP_SIGNALS.immediate, waitMs: IMMEDIATE_STOP_MAX_MS },
      { signal: 'SIGKILL', waitMs: IMMEDIATE_STOP_MAX_MS },
    ] as const
    for (const { signal, waitMs } of steps) {
      if (!isAlive(pid)) break
      signalProcess(pid, signal)
      if (await endsWithin(exited, waitMs)) break
    }
    await killStrayBackends(dataDir)
  }
  return { pid, port, exited, stop }
}

async function checkCluster(dataDir: string, osUser: OsUser | undefined): Promise<void> {
  if (!isCluster(dataDir)) {
    throw new Error(`${dataDir} holds no PostgreSQL cluster (no PG_VERSION); make one with initCluster`)
  }
  const owner = (await stat(dataDir)).uid
  const user = osUser?.uid ?? process.getuid?.()
  if (user !== undefined && owner !== user) {
    throw new Error(
      `the cluster in ${dataDir} belongs to uid ${owner}, and the server would run as uid ${user}; start as the user who made it, or use another state directory`,
    )
  }
  const why = osUser && (await traversalProblem(dataDir, osUser))
  if (why) {
    throw new Error(
      `PostgreSQL cannot run on ${dataDir}: ${why}; open that directory (chmod o+x) or use another state directory`,
    )
  }
}

async function clearLeftovers(dataDir: string): Promise<void> {
  const running = await findServer(dataDir)
  if (running !== undefined) {
    throw new Error(
      `a PostgreSQL server (pid ${running.pid}) runs on ${dataDir} already; adopt it or stop it first`,
    )
  }
  await killStrayBackends(dataDir)
  await rm(join(dataDir, 'postmaster.pid'), { force: true })
}

function spawned(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!))
    child.once('error', (cause) =>
      reject(new Error(`the PostgreSQL server cannot be started: ${cause.message}`, { cause })),
    )
  })
}

function exitOf(child: ChildProcess): Promise<PostgresExit> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}

async function pollExit(pid: number): Promise<PostgresExit> {
  while (isAlive(pid)) await pause(ADOPTED_POLL_MS)
  return { code: null, signal: null }
}

async function endsWithin(exited: Promise<unknown>, waitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(resolve, waitMs, false)
  const hasEnded = await Promise.race([exited.then(() => true), late])
  clearTimeout(timer)
  return hasEnded
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
