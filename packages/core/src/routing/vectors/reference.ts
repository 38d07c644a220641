/**
 * The second implementation of the routing decision, for the vectors: slow, plain, straight from the documents' text,
 * so that it can be checked by reading. It shares XXH32 with the first one, which is tested against published results,
 * and nothing else: no index, no arrays, no patterns, no precomputed rows.
 */
import type { Route, UnsignedTopologyBase, UnsignedTopologyOverlay } from '@cellplane/contract'
import { xxh32 } from '../../hash/xxh32.ts'
import type { VectorMoment, VectorOutcome, VectorRequest } from './vectors.ts'

/** Who a request is from, by the rules of the fleet; stated by hand with each request. */
export type VectorCaller = { key: string; rule: number } | { refusal: string } | 'nobody'

type Base = UnsignedTopologyBase
type Overlay = UnsignedTopologyOverlay
type Slot = number

export function referenceOutcome(
  base: Base,
  overlay: Overlay,
  request: VectorRequest,
  moment: VectorMoment | undefined,
  caller: VectorCaller,
): VectorOutcome {
  if (typeof caller === 'object' && 'refusal' in caller) return { refusal: caller.refusal }
  const key = caller === 'nobody' ? `source:${request.source}` : caller.key
  const bucket = xxh32(new TextEncoder().encode(key), base.hash.seed) % base.hash.buckets
  const { slots, source, generation } = shardOf(base, overlay, key, bucket)
  const former = formerOf(base, key, bucket).filter((slot) => !slots.includes(slot))
  const found = {
    ...{ key, rule: caller === 'nobody' ? -1 : caller.rule, bucket, row_source: source, generation },
    candidates: slots.map((slot) => idOf(base, slot)),
    former: former.map((slot) => idOf(base, slot)),
  }
  const fitnessOf = (slot: Slot) => moment?.fitness[idOf(base, slot)] ?? markedFitness(base, overlay, slot)
  const route = routeOf(base, request)
  const named = namedCell(base, request, route, [...slots, ...former])
  if (named === 'foreign') return { ...found, refusal: 'INVALID_REQUEST' }
  if (named !== undefined && fitnessOf(named) === 0) return { ...found, refusal: 'CELL_UNAVAILABLE' }
  const slot = named ?? chosen(base, request, route, slots, moment, fitnessOf)
  const outcome: VectorOutcome = {
    ...found,
    cell: idOf(base, slot),
    role: slot === slots[0] ? 'home' : 'alternate',
  }
  const delivery = route?.delivery ?? base.delivery ?? 'proxy'
  const isRedirected =
    delivery === 'redirect' && caller !== 'nobody' && request.method !== 'OPTIONS' && fitnessOf(slot) > 0
  if (!isRedirected) return outcome
  const { endpoints } = cellOf(base, slot)!
  return { ...outcome, location: (endpoints.public_http ?? endpoints.http) + request.target }
}

/** A quarantine of the overlay counts in stateless fleets; then an override, then the table. */
function shardOf(base: Base, overlay: Overlay, key: string, bucket: number) {
  const isQuarantined = overlay.quarantined.some(({ tenant }) => tenant === key)
  const absorber = base.quarantine.cell
  if (isQuarantined && base.fleet_kind === 'stateless' && absorber !== null) {
    return { slots: [absorber], source: 'quarantine', generation: 0 }
  }
  const override = base.overrides.find(({ tenant }) => tenant === key)
  if (override) {
    return { slots: override.cells, source: override.reason, generation: override.generation }
  }
  return { slots: rowOf(base, base.table, bucket), source: 'table', generation: 0 }
}

/** What the tenant has without a quarantine, what it had by name, then what its bucket has and had, newest first; each cell that is still there once. */
function formerOf(base: Base, key: string, bucket: number): Slot[] {
  const tables = [base.table, ...base.former_tables.map(({ table }) => table)]
  const override = base.overrides.find(({ tenant }) => tenant === key)
  const named = base.former_overrides?.find(({ tenant }) => tenant === key)
  const usual = override?.cells ?? rowOf(base, base.table, bucket)
  const all = [...usual, ...(named?.cells ?? []), ...tables.flatMap((table) => rowOf(base, table, bucket))]
  return all.filter((slot, i) => all.indexOf(slot) === i && cellOf(base, slot) !== undefined)
}

function rowOf(base: Base, table: string, bucket: number): Slot[] {
  const bytes = Buffer.from(table, 'base64')
  return Array.from({ length: base.shard_size }, (_, place) =>
    bytes.readUInt16LE(2 * (bucket * base.shard_size + place)),
  )
}

const cellOf = (base: Base, slot: Slot) => base.cells.find((cell) => cell.slot === slot)
const idOf = (base: Base, slot: Slot) => cellOf(base, slot)!.id

/** Marks on more than the believable share of the active serving cells are not believed at all. */
function markedFitness(base: Base, overlay: Overlay, slot: Slot): number {
  const isMarked = (slot: Slot) => overlay.unhealthy.some((mark) => mark.slot === slot)
  const serving = base.cells.filter(({ state, role }) => state === 'active' && role === 'serving')
  const share = serving.filter((cell) => isMarked(cell.slot)).length / serving.length
  return isMarked(slot) && share <= base.limits.unhealthy_share_max ? 0 : 255
}

function routeOf(base: Base, { method, target }: VectorRequest): Route | undefined {
  const path = target.split('?')[0]!
  const methods = method === 'HEAD' ? ['HEAD', 'GET'] : [method]
  return base.routes.find(
    (route) =>
      (!route.methods || route.methods.some((one) => methods.includes(one))) && fits(route.path, path),
  )
}

function fits(pattern: string, path: string): boolean {
  if (pattern.endsWith('*')) {
    const fixed = pattern.slice(0, -1).split('/')
    const head = path.split('/').slice(0, fixed.length)
    const last = fixed.pop()!
    return (
      head.length > fixed.length && head.at(-1)!.startsWith(last) && sameSegments(fixed, head.slice(0, -1))
    )
  }
  return sameSegments(pattern.split('/'), path.split('/'))
}

function sameSegments(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((segment, i) => segment === path[i] || (segment.startsWith('{') && path[i] !== ''))
  )
}

/** `x-cell`, or an id in the path that says its cell's slot; the latter counts only where that cell knows the tenant. */
function namedCell(
  base: Base,
  { headers, target }: VectorRequest,
  route: Route | undefined,
  known: readonly Slot[],
): Slot | 'foreign' | undefined {
  const wanted = headers['x-cell']
  if (wanted !== undefined) return known.find((slot) => idOf(base, slot) === wanted) ?? 'foreign'
  if (route?.cell_in === undefined) return undefined
  const at = route.path.split('/').indexOf(`{${route.cell_in}}`)
  const parts = target.split('?')[0]!.split('/')[at]!.split('_')
  return parts.length === 3 ? known.find((slot) => slot.toString(36) === parts[1]) : undefined
}

const READS = ['GET', 'HEAD', 'OPTIONS']
const REPEATABLE = [...READS, 'PUT', 'DELETE']

function mayLeaveHome(base: Base, { method, headers }: VectorRequest, route: Route | undefined): boolean {
  const isRead = READS.includes(method)
  if (!route) return base.fleet_kind === 'stateless' || isRead
  switch (route.failover) {
    case 'any':
      return true
    case 'idempotent':
      return REPEATABLE.includes(method) || Boolean(headers['idempotency-key'])
    case 'read':
      return isRead
    case 'home-only':
      return false
  }
}

function chosen(
  base: Base,
  request: VectorRequest,
  route: Route | undefined,
  slots: readonly Slot[],
  moment: VectorMoment | undefined,
  fitnessOf: (slot: Slot) => number,
): Slot {
  const load = (slot: Slot) => moment?.in_flight[idOf(base, slot)] ?? 0
  const draw = moment?.draw ?? 0
  const weight = (slot: Slot) => Math.max(0.1, cellOf(base, slot)!.weight)
  const fit = slots.filter((slot) => fitnessOf(slot) > draw % 255)
  const spread = Math.floor(draw / 255) / 2 ** 22
  const fittest = Math.max(...slots.map(fitnessOf))
  const best = {
    'home-first': () => fit[0],
    'least-loaded': () =>
      lessLoaded(fit, (slot) => load(slot) / (fitnessOf(slot) * weight(slot)), weight, spread),
    weighted: () => byWeight(fit, weight, spread)[0],
  }[base.choice]()
  const slot =
    best ?? (fittest > 0 ? slots.find((one) => fitnessOf(one) === fittest) : undefined) ?? slots[0]!
  return slot === slots[0] || mayLeaveHome(base, request, route) ? slot : slots[0]!
}

/** Of more than two, the first by an even draw, and the second by an even draw from those behind it in a ring. A tie by weight. */
function lessLoaded(
  fit: readonly Slot[],
  load: (slot: Slot) => number,
  weight: (slot: Slot) => number,
  spread: number,
): Slot | undefined {
  if (fit.length <= 1) return fit[0]
  if (fit.length > 2) {
    const [one, afterOne] = byWeight(fit, () => 1, spread)
    const at = fit.indexOf(one!)
    const [other, afterOther] = byWeight([...fit.slice(at + 1), ...fit.slice(0, at)], () => 1, afterOne)
    return lessLoaded([one!, other!], load, weight, afterOther)
  }
  const [one, other] = fit as [Slot, Slot]
  if (load(one) !== load(other)) return load(one) < load(other) ? one : other
  return byWeight(fit, weight, spread)[0]
}

/** Draws with a number in [0, 1). What is left of it, stretched to [0, 1) again, is for the next draw. */
function byWeight(
  slots: readonly Slot[],
  weight: (slot: Slot) => number,
  spread: number,
): [Slot | undefined, number] {
  let left = spread * slots.reduce((sum, slot) => sum + weight(slot), 0)
  for (const slot of slots) {
    if (left < weight(slot)) return [slot, left / weight(slot)]
    left -= weight(slot)
  }
  return [slots.at(-1), 0]
}
