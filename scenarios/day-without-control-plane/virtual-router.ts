/**
 * A router without sockets: acceptance of documents, health marks, outlier detection, ramps and the choice of cells are the
 * shipped ones. What stands in for sockets is one function that says whether a cell takes a connection.
 */
import type { TopologyOverlay, TrustedKeys } from '@cellplane/contract'
import {
  acceptBase,
  acceptOverlay,
  type BaseHead,
  chooseCell,
  compileRoutes,
  type DecisionView,
  DRAWS,
  matchRoute,
  pickTarget,
  type Reach,
  reachOf,
  type Snapshot,
} from '@cellplane/core'
import { createCells } from '@cellplane/router/parts'
import type { VirtualClock } from './virtual-clock.ts'

export type Texts = { base: string; overlay: string }

export type VirtualRouter = {
  /** The control plane answered: these are its documents. Returns what was wrong with them, or nothing. */
  hear(texts: Texts): string
  tick(): void
  /** One request: whether it was served, by which slot, and after how many attempts. */
  ask(tenant: string, random: number): Served
  /** Slots whose health mark is followed at the moment. */
  marked(): number[]
  /** What it would find on its disk, and when the overlay was confirmed last. */
  disk(): Disk
}

export type Served = { slot: number | null; attempts: number }
export type Disk = Texts & { confirmedAt: number }

const SILENT = { info() {}, warn() {}, error() {} }
const KEY = 'router-key-of-the-scenario'
const LIMITS = { sockets_per_cell_max: 256, adaptive: 'off' as const }

/** `disk`: what it starts from. Throws when that is refused. */
export function createVirtualRouter(
  clock: VirtualClock,
  keys: TrustedKeys,
  fleet: string,
  isUp: (slot: number) => boolean,
  disk: Disk,
): VirtualRouter {
  const cells = createCells(fleet, KEY, LIMITS, SILENT)
  const based = acceptBase(null, disk.base, keys, fleet)
  if (!based.ok) throw new Error(JSON.stringify(based))
  const { snapshot } = based.value
  const overlaid = acceptOverlay(null, disk.overlay, keys, fleet, snapshot)
  if (!overlaid.ok) throw new Error(JSON.stringify(overlaid))
  let overlay: TopologyOverlay = overlaid.value
  let held: Disk = disk
  const route = matchRoute(routesOf(snapshot.base), 'GET', '/')
  const wish = { method: 'GET', route, wantedCell: undefined, hasIdempotencyKey: false }
  const reaches = new Map<string, Reach>()
  const adopt = () => cells.adopt({ snapshot, overlay, overlayConfirmedAt: held.confirmedAt })
  adopt()
  const view = (): DecisionView => viewOf(snapshot, cells.arrays)

  function attempt(index: number, tenant: number): boolean {
    const cell = cells.arrays.cells[index]!
    const startedAt = clock.now()
    const attempted = { cell, caller: tenant, startedAt, hasAnswer: false }
    const isAnswered = isUp(cell.slot)
    cells.begin(cell)
    if (isAnswered) cells.countWhole(cell, 200, cells.countAnswer(attempted, 200))
    else cells.countFailure(attempted, true)
    cells.end(attempted)
    return isAnswered
  }

  return {
    hear(texts) {
      if (texts.base !== held.base) {
        const again = acceptBase(based.value.document, texts.base, keys, fleet)
        return again.ok ? 'a base that nobody expected' : JSON.stringify(again.problems)
      }
      if (texts.overlay !== held.overlay) {
        const next = acceptOverlay(overlay, texts.overlay, keys, fleet, snapshot)
        if (!next.ok) return JSON.stringify(next.problems)
        overlay = next.value
      }
      held = { ...texts, confirmedAt: clock.now() }
      adopt()
      return ''
    },
    tick: () => cells.tick(),
    ask(tenant, random) {
      const reach = reaches.get(tenant) ?? reachOf(view(), tenant)
      reaches.set(tenant, reach)
      const draw = Math.floor(random * DRAWS)
      const target = pickTarget(view(), reach, wish, draw)
      if (target.kind !== 'cell') return { slot: null, attempts: 0 }
      const { cells: all, fitness, inFlight } = cells.arrays
      if (attempt(target.index, reach.row)) return { slot: all[target.index]!.slot, attempts: 1 }
      // Nothing reached the cell, so that any other of the shard may have it.
      const second = chooseCell(snapshot, reach.row, fitness, inFlight, draw, target.index)
      const isServed = second >= 0 && attempt(second, reach.row)
      return { slot: isServed ? all[second]!.slot : null, attempts: 2 }
    },
    marked: () => cells.arrays.cells.flatMap(({ slot, index }) => (cells.isMarked(index) ? [slot] : [])),
    disk: () => held,
  }
}

const routesOf = ({ routes, fleet_kind, delivery }: BaseHead) => compileRoutes(routes, fleet_kind, delivery)

function viewOf(
  snapshot: Snapshot,
  { fitness, inFlight }: { fitness: Uint8Array; inFlight: Uint32Array },
): DecisionView {
  return { snapshot, routes: routesOf(snapshot.base), quarantined: new Set(), fitness, inFlight }
}
