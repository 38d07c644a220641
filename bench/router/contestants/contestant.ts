/** A proxy that takes part: how it is started in front of the cells, and what it can do. */
import type { BenchFleet } from '../fleet/bench-fleet.ts'
import type { TelemetryReceivers } from '../fleet/telemetry-receivers.ts'
import type { Issuer } from '../fleet/tokens.ts'
import type { PinnedProcess } from '../processes/pinned-process.ts'

export type Environment = {
  /** A folder of this run, for configurations, logs and state. */
  folder: string
  fleet: BenchFleet
  /** The upstreams’, one a cell. */
  ports: readonly number[]
  /** The core that proxies run on. */
  core: number
  /** PEM files; with them it speaks TLS to clients. */
  certificate?: { certFile: string; keyFile: string }
  /** With it, the key is in its tokens; otherwise in a header. */
  issuer?: Issuer
  /** Tells a profiler the names of what it compiles while it runs. */
  isProfiled?: boolean
  /** Who takes what it measures; `none`: it measures nothing. Left out, it measures, and reports to nobody. */
  telemetry?: TelemetryReceivers | 'none'
}

/** `adminPort`: where its metrics are, of a contestant that says so. */
export type Running = PinnedProcess & { port: number; adminPort?: number }

export type Contestant = {
  name: string
  /** Whether tenants go to cells of their shard. */
  isRouting: boolean
  /** Whether it is compiled while it runs, so that it must run for a while before it is measured. */
  isJustInTime: boolean
  /** The program that must be on the machine, and the Debian package that brings it. */
  needs?: { program: string; debian: string }
  version(): string
  start(environment: Environment): Promise<Running>
}
