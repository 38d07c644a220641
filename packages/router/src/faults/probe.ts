/**
 * Loaded into a router's process before its own code, so that a test can see what a process does not tell and do what
 * only a machine does: it tells how long the event loop was held up, and shifts the wall clock.
 *
 * It speaks over the process's IPC channel: each message is answered with a reading, and the next reading begins anew.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** `collects`: garbage is collected first, so that what is held shows. */
export type ProbeOrder = { clockShiftMs?: number; collects?: boolean }
export type ProbeReading = {
  rssBytes: number
  /** What objects and arrays take, garbage that is not yet collected too. */
  heldBytes: number
  stallMaxMs: number
  /** By how much the event loop was late, for a timer each millisecond. */
  lateMs: { p50: number; p99: number }
  processorMs: number
  wallClock: number
}

const RESOLUTION_MS = 1

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delays.enable()

const realNow = Date.now
let clockShiftMs = 0
Date.now = () => realNow() + clockShiftMs
globalThis.Date = new Proxy(Date, {
  construct: (target, values) => Reflect.construct(target, values.length === 0 ? [target.now()] : values),
})

process.on('message', (order: ProbeOrder) => {
  clockShiftMs = order.clockShiftMs ?? clockShiftMs
  if (order.collects) collect()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const reading: ProbeReading = {
    rssBytes: rss,
    heldBytes: heapUsed + arrayBuffers,
    stallMaxMs: Math.round(delays.max / 1e6),
    lateMs: { p50: lateMs(50), p99: lateMs(99) },
    processorMs: Math.round((user + system) / 1000),
    wallClock: Date.now(),
  }
  delays.reset()
  process.send!(reading)
})

function collect(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function lateMs(percentile: number): number {
  return Math.max(0, Math.round(delays.percentile(percentile) / 1e5 - 10 * RESOLUTION_MS) / 10)
}
