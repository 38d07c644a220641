/** What Linux tells of a process in /proc/<pid>/stat: proc_pid_stat(5). */
import { readFileSync } from 'node:fs'

export type ProcStat = { group: number; startTicks: string }

/** undefined when no such process lives; a zombie, which only waits to be reaped, does not. */
export function readProcStat(pid: number): ProcStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // `pid (name) state ppid pgrp … starttime …`; the name may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { group: Number(fields[2]), startTicks: fields[19]! }
  } catch {
    return undefined
  }
}
