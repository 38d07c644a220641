/** A stretch of time in which requests, the proxy's CPU time and the generator's own are counted from the same moments. */
import { cpuNs, machineBusySeconds } from '../measure/process-usage.ts'

export type Measured = {
  /** All requests of the run, before and after the stretch too. */
  answered: number
  /** Those of the stretch. */
  requests: number
  seconds: number
  /** Of the proxy, all its processes and threads. */
  cpuUsPerRequest: number
  /** Share of one core that the proxy used. */
  proxyUtilisation: number
  /** Share of one core that the generator and the upstreams used: near 1, they set the pace. */
  clientUtilisation: number
  requestsPerSecond: number
  /** Cores that were busy with something else, or stolen from this machine: what may have disturbed the measurement. */
  coresTaken: number
}

/** Starts counting now; the returned function ends it. `count` says how many requests were answered so far. */
export function startMeasurement(pids: readonly number[], count: () => number): () => Measured {
  const before = {
    count: count(),
    cpuNs: cpuNs(pids),
    own: process.cpuUsage(),
    busy: machineBusySeconds(),
    at: performance.now(),
  }
  return () => {
    const requests = count() - before.count
    const ns = cpuNs(pids) - before.cpuNs
    const own = process.cpuUsage(before.own)
    const seconds = (performance.now() - before.at) / 1000
    const proxyUtilisation = ns / 1e9 / seconds
    const clientUtilisation = (own.user + own.system) / 1e6 / seconds
    const allBusy = (machineBusySeconds() - before.busy) / seconds
    return {
      answered: before.count + requests,
      requests,
      seconds,
      cpuUsPerRequest: ns / 1000 / requests,
      proxyUtilisation,
      clientUtilisation,
      requestsPerSecond: requests / seconds,
      coresTaken: Math.max(0, allBusy - proxyUtilisation - clientUtilisation),
    }
  }
}
