/**
 * Ends a process when we die, however we die. Our own processes watch the channel to their parent; PostgreSQL and
 * programs in other languages do not, so a shell waits beside each of them for the end of a pipe that only we hold open.
 */
import { spawn } from 'node:child_process'

/** Reads until we write a line (then there is nothing to do) or the pipe ends with us. */
const SCRIPT = 'read -r done || kill -s "$1" -- "$2"'

export type DeadMansSwitch = { disarm(): void }

/** `target` is a pid, or minus a process group's. */
export function armDeadMansSwitch(target: number, signal: 'INT' | 'TERM'): DeadMansSwitch {
  const watcher = spawn('/bin/sh', ['-c', SCRIPT, 'cellplane-switch', signal, String(target)], {
    // A group of its own: a Ctrl-C in our terminal is not for it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell there is no switch; a killed `up` then leaves the process to the next one.
  watcher.on('error', () => {})
  watcher.stdin.on('error', () => {})
  watcher.unref()
  return { disarm: () => watcher.stdin.end('done\n') }
}
