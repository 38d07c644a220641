/**
 * Loaded into a router's process before its own code, so that a test can see what a process does not tell and do what
 * only a machine does: it tells how long the event loop was held up, and shifts the wall clock.
 *
 * It speaks over the process's IPC channel: each message is answered with a reading, and the next reading begins anew.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

export type ProbeOrder = { clockShiftMs?: number }
export type ProbeReading = { rssBytes: number; stallMaxMs: number; processorMs: number; wallClock: number }

const RESOLUTION_MS = 10

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
  const { user, system } = process.cpuUsage()
  const reading: ProbeReading = {
    rssBytes: process.memoryUsage.rss(),
    stallMaxMs: Math.round(delays.max / 1e6),
    processorMs: Math.round((user + system) / 1000),
    wallClock: Date.now(),
  }
  delays.reset()
  process.send!(reading)
})
