/**
 * What processes used, read from /proc: CPU time to the nanosecond and resident memory.
 *
 * CPU is the run time in /proc/<pid>/task/<tid>/schedstat, summed over all threads (V8's helpers count too). A kernel
 * without IRQ_TIME_ACCOUNTING charges the loopback's soft interrupts to the process that sends, so this is the whole
 * cost of a request on the proxy's side; with it, every contestant's figure is lower by that part. The time of a running thread is brought up to date at every
 * tick (4 ms), or some 0.1 % of a measurement.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

export function cpuNs(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0])
    }
  }
  return sum
}

/** Of all cores together since the machine started, with what the hypervisor took; in steps of a tick (proc(5)). */
export function machineBusySeconds(): number {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!
  const [user, nice, system, , , irq, softIrq, steal] = line.split(/\s+/).slice(1).map(Number)
  return (user! + nice! + system! + irq! + softIrq! + steal!) / TICKS_PER_SECOND
}

export function rssBytes(pids: readonly number[]): number {
  return statusBytes(pids, 'VmRSS')
}

/** The most that was resident at once since `resetPeakRss`. */
export function peakRssBytes(pids: readonly number[]): number {
  return statusBytes(pids, 'VmHWM')
}

export function resetPeakRss(pids: readonly number[]): void {
  // proc(5): 5 sets the peak to what is resident now.
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function statusBytes(pids: readonly number[], field: 'VmRSS' | 'VmHWM'): number {
  return pids.reduce((sum, pid) => {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'latin1'),
    )
    return sum + Number(found![1]) * 1024
  }, 0)
}
