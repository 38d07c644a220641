/**
 * The registry's reconciler: takes up what hosts report, and lets cells take the steps that are due (`planLifecycle`).
 *
 * A cell becomes active only if a base with it can be made: that is tried first, so that one cell which cannot be placed
 * does not keep the next base from being published for all.
 */
import { type Cell, formatProblems, type Parsed } from '@cellplane/contract'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import type { Timing } from '../config.ts'
import type { Observations } from '../health/observations.ts'
import { inState, planLifecycle } from '../registry/plan-lifecycle.ts'
import { CELLS, HALT_KEY, HALTS, type StoredCell } from '../store/collections.ts'
import { intact, type Store, type StoreWriter } from '../store/store.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { HeldBase } from '../topology/published.ts'

/** A refused activation is tried again when anything else changed, or after this: planning costs a second at 1,000 cells. */
const ACTIVATION_RETRY_MS = 30_000

export type CellReconcilerOptions = {
  store: Store
  planner: BasePlanner
  timing: Timing
  observations: Observations
  now: () => number
}

export type CellReconciler = ReturnType<typeof createCellReconciler>

export function createCellReconciler(options: CellReconcilerOptions) {
  const { store, planner, timing, observations, now } = options
  let emptySince = new Map<string, number>()
  let waiting = new Map<string, string>()
  let refusedActivation = { of: '', at: 0, why: '' }

  async function reconcile(writer: StoreWriter, base: HeldBase | null): Promise<StoredCell[]> {
    const at = now()
    const stored = new Map<string, StoredCell>()
    for (const before of intact(await writer.list(CELLS))) {
      const after = { ...before, cell: asReported(before.cell) }
      if (after.cell !== before.cell) await writer.put(CELLS, after.cell.id, after)
      stored.set(after.cell.id, after)
    }
    const cells = () => [...stored.values()].map((one) => one.cell)
    const step = async (cell: Cell, action: string, to: Cell['state'], reason: string) => {
      const before = stored.get(cell.id)!
      const after = { ...before, cell: inState(before.cell, to, at) }
      stored.set(cell.id, after)
      await writer.put(CELLS, cell.id, after)
      await recordChange(writer, { actor: AUTOMATION, action, subject: cell.id, reason }, at)
    }

    const registered = cells()
    const plan = planLifecycle({
      cells: registered,
      factsOf: (cell) => observations.factsOf(cell, registered, base),
      isFirstPlacement: base === null,
      firstPlacementWaitMs: timing.first_placement_wait_ms,
      drainSettleMs: timing.drain_settle_ms,
      emptySince,
      now: at,
    })
    emptySince = plan.emptySince
    waiting = plan.waiting
    for (const { cell, to } of plan.steps) {
      const reason =
        to === 'ready' ? 'its host runs it and it answers' : 'routers left it and it holds no work'
      await step(cell, `cell.${to}`, to, reason)
    }
    for (const cell of await placeable(writer, cells(), plan.activations, base, at)) {
      await step(cell, 'cell.activate', 'active', 'it is ready')
    }
    return [...stored.values()]
  }

  /** All that are ready if they can be placed together; otherwise those that can be, one after the other. */
  async function placeable(
    writer: StoreWriter,
    cells: Cell[],
    ready: Cell[],
    base: HeldBase | null,
    at: number,
  ): Promise<Cell[]> {
    if (ready.length === 0) return []
    const halt = await writer.get(HALTS, HALT_KEY)
    if (halt) {
      for (const cell of ready) waiting.set(cell.id, `it is ready, and nothing is placed: ${halt.reason}`)
      return []
    }
    const attempt = JSON.stringify([base?.etag, ready.map((cell) => cell.id), cells])
    if (refusedActivation.of === attempt && at - refusedActivation.at < ACTIVATION_RETRY_MS) {
      for (const cell of ready) waiting.set(cell.id, refusedActivation.why)
      return []
    }
    const planning = await planner.read(writer, cells)
    const tryWith = async (active: Cell[]): Promise<Parsed<void>> => {
      const ids = new Set(active.map((cell) => cell.id))
      const wished = cells.map((cell) => (ids.has(cell.id) ? inState(cell, 'active', at) : cell))
      const plan = planning.plan({ cells: wished, bounds: 'keep' })
      return plan.ok ? planning.checkLeave(plan.value.base) : plan
    }
    const together = await tryWith(ready)
    if (together.ok) return ready
    const accepted: Cell[] = []
    for (const cell of ready.length > 1 ? ready : []) {
      if ((await tryWith([...accepted, cell])).ok) accepted.push(cell)
    }
    const why = `it cannot be placed: ${formatProblems(together.problems)}`
    refusedActivation = { of: attempt, at, why }
    for (const cell of ready) if (!accepted.includes(cell)) waiting.set(cell.id, why)
    return accepted
  }

  /** The cell with what its host says of it. What a silent or starting host does not say stays as it was. */
  function asReported(cell: Cell): Cell {
    const report = observations.hosts.of(cell)
    if (!report || cell.state === 'retired') return cell
    const endpoint = report.endpoint ?? cell.endpoint
    const stores = report.stores.length > 0 ? report.stores : cell.stores
    const isSame = endpoint === cell.endpoint && JSON.stringify(stores) === JSON.stringify(cell.stores)
    return isSame ? cell : { ...cell, endpoint, stores }
  }

  return {
    /** The registry afterwards. Throws what the store throws. */
    run: (base: HeldBase | null): Promise<StoredCell[]> => store.write((writer) => reconcile(writer, base)),
    /** Cell → why it does not advance, as of the last run. */
    whyWaiting: (cell: string): string | undefined => waiting.get(cell),
    forget(): void {
      emptySince = new Map()
      waiting = new Map()
    },
  }
}
