/**
 * One cell as this process knows it: how to reach it, what was sent to it, how it answered. It lives as long as its
 * slot is in the topology, across all snapshots, so that a new topology neither loses counts nor connections.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { SnapshotCell } from '@cellplane/core'

export type Cell = {
  readonly slot: number
  readonly id: string
  /** Where it serves now. */
  origin: CellOrigin
  /** What it knows routers by. */
  readonly secret: string
  /** Its index in the current snapshot, where fitness and load are found; -1 when it has left. */
  index: number
  inFlight: number
  readonly counters: CellCounters
}

export type CellOrigin = {
  readonly url: string
  readonly isTls: boolean
  readonly hostname: string
  readonly port: string
  /** Path of the base URL without its last `/`; usually empty. */
  readonly pathPrefix: string
  readonly agent: HttpAgent
}

/** Counters since the process started. */
export type CellCounters = {
  /** Attempts that ended with an answer, by the first digit of its status (1–5); at 0, those that ended without one. */
  readonly attempts: Float64Array
  connectFailures: number
  /** Second attempts sent to this cell. */
  retries: number
  ejections: number
  /** Attempts by the time until the head of the answer: one count for each of DURATION_BOUNDS_S, one for what took longer. */
  readonly durations: Float64Array
  durationSumS: number
}

/** Seconds. Wide enough for a cache hit and for a report that takes half a minute. */
export const DURATION_BOUNDS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const

/**
 * Idle connections are closed after this: before the cell does it (Node's servers wait 5 s), as a request that is sent
 * into a closing connection is lost, and may not be one that can be sent again.
 */
const IDLE_CONNECTION_MS = 4_000
const IDLE_CONNECTIONS_MAX = 64

export function createCell({ slot, id, url }: SnapshotCell, secret: string): Cell {
  return {
    slot,
    id,
    origin: originOf(url),
    secret,
    index: -1,
    inFlight: 0,
    counters: {
      attempts: new Float64Array(6),
      connectFailures: 0,
      retries: 0,
      ejections: 0,
      durations: new Float64Array(DURATION_BOUNDS_S.length + 1),
      durationSumS: 0,
    },
  }
}

/** A moved cell gets a new agent; the connections of the old one end with their requests, or idle. */
export function originOf(url: string): CellOrigin {
  const { protocol, hostname, port, pathname } = new URL(url)
  const isTls = protocol === 'https:'
  const options = {
    keepAlive: true,
    // Last used first: the fewest connections carry the load and the others idle out.
    scheduling: 'lifo',
    timeout: IDLE_CONNECTION_MS,
    maxFreeSockets: IDLE_CONNECTIONS_MAX,
  } as const
  return {
    url,
    isTls,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isTls ? '443' : '80') : port,
    pathPrefix: pathname.replace(/\/$/, ''),
    agent: isTls ? new HttpsAgent(options) : new HttpAgent(options),
  }
}

export function countDuration(counters: CellCounters, seconds: number): void {
  const found = DURATION_BOUNDS_S.findIndex((bound) => seconds <= bound)
  counters.durations[found < 0 ? DURATION_BOUNDS_S.length : found]!++
  counters.durationSumS += seconds
}
