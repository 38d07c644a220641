/**
 * Which processes belong to a cluster.
 *
 * Every PostgreSQL process works in its data folder and runs the program `postgres`: on Linux both can be read from
 * /proc, which is exact. Elsewhere only the pid file and `ps` are asked.
 *
 * When a postmaster is killed with SIGKILL, its backends notice when they next wait; one in the middle of a long query
 * goes on for as long, holds the shared memory, and a new server refuses to start ("pre-existing shared memory block
 * is still in use"). They lead sessions of their own, so a signal to the server's process group does not reach them.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** From SIGKILL until a process is gone: only an uninterruptible disk wait takes longer than a moment. */
const KILL_MAX_MS = 5_000
const KILL_POLL_MS = 10

/** The server that runs on this folder, whoever started it; undefined when there is none. */
export async function findServer(dataDir: string): Promise<{ pid: number; port: number } | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')
  // miscadmin.h: pid, data directory, start time, port, …
  const [pid, , , port] = text.split('\n').map(Number)
  if (!pid || !(pid > 0) || !isAlive(pid) || !worksIn(pid, dataDir)) return undefined
  return { pid, port: port ?? 0 }
}

/** Ends what a killed server left behind, and waits until it is gone. */
export async function killStrayBackends(dataDir: string): Promise<void> {
  const deadline = performance.now() + KILL_MAX_MS
  for (let strays = processesIn(dataDir); strays.length > 0; strays = processesIn(dataDir)) {
    if (performance.now() > deadline) {
      throw new Error(
        `PostgreSQL processes ${strays.join(', ')} on ${dataDir} did not end ${KILL_MAX_MS} ms after SIGKILL; the disk may hang`,
      )
    }
    for (const pid of strays) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
    await new Promise((resolve) => setTimeout(resolve, KILL_POLL_MS))
  }
}

/** Signal 0 only asks. A zombie, which waits for its parent, is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !isZombie(pid)
}

function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    // `pid (name) state …`; the name may hold anything, a parenthesis too.
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

function processesIn(dataDir: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => worksIn(pid, dataDir) && !isZombie(pid))
}

/** Whether the process is a `postgres` in this folder. Another user's process cannot be looked into, and is not ours. */
function worksIn(pid: number, dataDir: string): boolean {
  try {
    if (process.platform !== 'linux') {
      return (
        basename(execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()) ===
        'postgres'
      )
    }
    return (
      readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir) &&
      basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('postgres')
    )
  } catch {
    return false
  }
}
