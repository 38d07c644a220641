/**
 * Finds the processes that a component left behind, wherever they hid.
 *
 * A child may leave the component's process group, its leader may die before it, and an agent may be killed between
 * spawning a process and writing its pid down. All of them still carry the environment that they were started with,
 * and two of its variables name exactly one component of one cell: HOME, which is the cell's own folder, and the
 * component's name. On Linux they are read from /proc; elsewhere only the process group is known.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { readProcStat } from '@cellplane/host'

/** `NAME=value` pairs that the component's environment holds, and no other's. Never empty: that would be everyone's. */
export type EnvironmentMark = readonly [string, ...string[]]

export type Stray = { pid: number; group: number }

/** Living processes that carry all of the mark. */
export function findStrays(mark: EnvironmentMark): Stray[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && carries(entry, mark))
    .flatMap((entry) => {
      const stat = readProcStat(Number(entry))
      return stat ? [{ pid: Number(entry), group: stat.group }] : []
    })
}

function carries(pid: string, mark: EnvironmentMark): boolean {
  try {
    const environment = `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`
    return mark.every((pair) => environment.includes(`\0${pair}\0`))
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return false
  }
}
