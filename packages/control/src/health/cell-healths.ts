/**
 * The health of each cell: what probes, synthetic tenant, routers and peers say, weighed by core's truth table, and
 * remembered from one look to the next. All judgement is core's; here it is only put together.
 */
import type { Cell } from '@cellplane/contract'
import {
  type CellHealth,
  comparePeers,
  describeRequests,
  inheritMark,
  nextHealth,
  nextPeersState,
  nextRequestsSignal,
  type PeersState,
  type ProbeState,
  type RequestsSignal,
  type RequestWindow,
  UNCOMPARED,
  UNJUDGED,
} from '@cellplane/core'

export type HealthSources = {
  probeOf(slot: number): ProbeState
  /** Undefined where no synthetic tenant asks the cell. */
  writeOf(slot: number): ProbeState | undefined
  windowOf(slot: number): RequestWindow
  /** Ms since the epoch, on a clock that never steps back. */
  now(): number
}

type Remembered = { requests: RequestsSignal; peers: PeersState; health: CellHealth }

const NOTHING: Remembered = { requests: 'few', peers: UNCOMPARED, health: UNJUDGED }

export type CellHealths = ReturnType<typeof createCellHealths>

export function createCellHealths(sources: HealthSources) {
  let known = new Map<number, Remembered>()

  return {
    /** Looks at all of these cells, and forgets all others. */
    refresh(cells: readonly Cell[]): void {
      const now = sources.now()
      const windows = cells.map(({ slot, release }) => ({ slot, release, window: sources.windowOf(slot) }))
      const comparisons = comparePeers(windows)
      known = new Map(
        windows.map(({ slot, window }) => {
          const before = known.get(slot) ?? NOTHING
          const probe = sources.probeOf(slot)
          const write = sources.writeOf(slot)
          const requests = nextRequestsSignal(before.requests, window)
          const peers = nextPeersState(before.peers, comparisons.get(slot)!, now)
          const signals = {
            probe: signalOf(probe),
            synthetic: write ? signalOf(write) : ('none' as const),
            requests,
            peers: peers.signal,
          }
          const reasons = {
            probe: probe.reason,
            synthetic: write?.reason ?? '',
            requests: describeRequests(window),
            peers: peers.reason,
          }
          return [slot, { requests, peers, health: nextHealth(before.health, signals, reasons, now) }]
        }),
      )
    },
    /** A mark that another control plane made, of a cell of which nothing is known here yet. */
    inherit(slot: number, mark: { since: number; reason: string }): void {
      if (known.has(slot)) return
      known.set(slot, { ...NOTHING, health: inheritMark(mark, sources.now()) })
    },
    of: (slot: number): CellHealth => known.get(slot)?.health ?? UNJUDGED,
  }
}

function signalOf({ health }: ProbeState): 'ok' | 'failing' | 'unknown' {
  return health === 'healthy' ? 'ok' : health === 'unhealthy' ? 'failing' : 'unknown'
}
