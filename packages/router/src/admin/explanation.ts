/** Why a key's requests go where they go: every step of the decision, with what it found. For operators; it names cells. */
import { partitionKeyProblem } from '@cellplane/contract'
import {
  bucketOf,
  namedKey,
  rowGeneration,
  rowOf,
  rowSource,
  type Suspension,
  shardOf,
  shardsOf,
} from '@cellplane/core/data-plane'
import { monotonicNow } from '../clock.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import type { RouterState } from './router-state.ts'

export type Explanation = {
  key: string
  bucket: number
  /** What decided: the table, an override, or the overlay’s quarantine. */
  source: string
  generation: number
  cells: {
    cell: string
    role: 'home' | 'alternate'
    /** 0–1: the share of its requests that the cell is given. */
    fitness: number
    why: string
    in_flight: number
  }[]
  former_cells: string[]
  /** This router keeps it from its cells, as its requests were under way when cells crashed; null when it does not. */
  suspended_until: string | null
  /** Its home is being switched, and its requests wait; null when they do not. */
  held_until: string | null
  /** Of the tenant's cap, this router's; 1 while it is not divided. */
  cap_share: number
  explanation: string
}

/** The problem with the key, in words, when it cannot be one. */
export function explainKey(state: RouterState, view: RoutingView, asked: string): Explanation | string {
  const why = partitionKeyProblem(asked)
  if (why) return why
  const { snapshot, fitness, inFlight } = view
  const key = namedKey(snapshot.base.partition_key, asked)
  const row = rowOf(view, key)
  const source = rowSource(snapshot, row)
  const bucket = bucketOf(key, snapshot.seed, snapshot.buckets)
  const shard = shardOf(snapshot, row)
  const cells = shard.map((index, place) => ({
    cell: snapshot.cells[index]!.id,
    role: place === 0 ? ('home' as const) : ('alternate' as const),
    fitness: fitness[index]! / 255,
    why: whyFit(state, index, fitness[index]!),
    in_flight: inFlight[index]!,
  }))
  const fit = cells.filter((cell) => cell.fitness > 0)
  const names = fit.map(({ cell }) => cell).join(', ')
  const chosen = {
    'home-first': `${fit[0]?.cell} is the first of them that is fit`,
    'least-loaded': `of two drawn from ${names}, the one with less in flight for its weight is chosen`,
    weighted: `one is drawn by weight from ${names}`,
  }[snapshot.base.choice]
  const heldUntil = liveHold(view, key)
  const suspension = state.crashes.suspensions.find(({ tenant }) => tenant === key)
  return {
    key,
    bucket,
    source,
    generation: rowGeneration(snapshot, row),
    cells,
    former_cells: shardsOf(snapshot, row, key)
      .filter((index) => !shard.includes(index))
      .map((index) => snapshot.cells[index]!.id),
    suspended_until: suspension ? new Date(suspension.until).toISOString() : null,
    held_until: heldUntil === undefined ? null : new Date(heldUntil).toISOString(),
    cap_share: state.shares.inForce?.tenants.get(key) ?? 1,
    explanation:
      heldBecause(heldUntil) +
      suspendedBecause(view, suspension) +
      throttledBecause(view, key) +
      `the key hashes to bucket ${bucket}; its cells come from ${SOURCES[source]}: ` +
      `${cells.map((cell) => cell.cell).join(', ')}; ` +
      (fit.length > 0 ? chosen : `none is fit, so the first is tried all the same: ${cells[0]!.cell}`),
  }
}

function suspendedBecause({ canQuarantine }: RoutingView, suspension: Suspension | undefined): string {
  if (!suspension) return ''
  const until = new Date(suspension.until).toISOString()
  return (
    `this router suspends it until ${until}: its requests were under way at ${suspension.crashes} crashes of cells; ` +
    (canQuarantine ? 'it goes to the quarantine cell; ' : 'its requests are refused; ')
  )
}

function liveHold({ held }: RoutingView, key: string): number | undefined {
  const until = held.until.get(key)
  return until !== undefined && until > monotonicNow() ? until : undefined
}

function heldBecause(until: number | undefined): string {
  if (until === undefined) return ''
  return `its home is being switched, so its requests wait until it was, or until ${new Date(until).toISOString()}; `
}

function throttledBecause({ throttled }: RoutingView, key: string): string {
  const share = throttled.get(key)
  if (share === undefined) return ''
  return `it is in quarantine at home: ${share * 100} % of its cap is let through there, and only routes that any cell may serve go to the quarantine cell; `
}

const SOURCES = {
  table: 'the table',
  pin: 'a pin',
  assignment: 'its assignment',
  quarantine: 'its quarantine',
  migration: 'its migration',
}

function whyFit({ cells }: RouterState, index: number, fitness: number): string {
  if (cells.isMarked(index)) return 'marked unhealthy by the control plane'
  if (cells.isEjected(index)) return 'ejected by this router: it failed too often'
  return fitness < 255 ? 'came back, ramping up' : 'fit'
}
