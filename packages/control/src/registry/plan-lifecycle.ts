/**
 * The steps that cells take by themselves. Pure; the states and what each step asks for are `transition` in core.
 *
 *     provisioning ─▶ ready     when it serves
 *     ready ─▶ active           at once, all ready ones together, so that tenants are placed once and not once a cell
 *     draining ─▶ drained       when it has looked empty for a while
 *
 * The first placement of a fleet waits until every declared cell is ready, or for a bounded time after the first one:
 * cells come up seconds apart, and each placement would move tenants of the one before.
 *
 * "Looks empty" must hold for longer than a host's word on holdings is old: what a cell accepted a moment ago is not in
 * it yet. The caller remembers since when, and forgets it whenever the look fails.
 */
import type { Cell, CellState } from '@cellplane/contract'
import { type CellEvent, type CellFacts, transition } from '@cellplane/core'

export type LifecycleInput = {
  cells: readonly Cell[]
  factsOf: (cell: Cell) => CellFacts
  /** No base was ever published. */
  isFirstPlacement: boolean
  firstPlacementWaitMs: number
  drainSettleMs: number
  /** Cell → since when it has looked empty, ms since the epoch. */
  emptySince: ReadonlyMap<string, number>
  now: number
}

export type LifecycleStep = { cell: Cell; event: CellEvent; to: CellState }

export type LifecyclePlan = {
  /** provisioning → ready and draining → drained: nothing else depends on them. */
  steps: LifecycleStep[]
  /** Cells that are ready, these steps included, and whose time has come. Whether they can be placed is for the caller to try. */
  activations: Cell[]
  emptySince: Map<string, number>
  /** Cell → why it does not advance, in words. */
  waiting: Map<string, string>
}

export function planLifecycle(input: LifecycleInput): LifecyclePlan {
  const { cells, factsOf, now } = input
  const plan: LifecyclePlan = { steps: [], activations: [], emptySince: new Map(), waiting: new Map() }
  const ready: Cell[] = []
  for (const cell of cells) {
    if (cell.state === 'ready') ready.push(cell)
    if (cell.state === 'provisioning') {
      const to = advance(plan, cell, 'become-ready', factsOf(cell))
      if (to) ready.push(inState(cell, to, now))
    }
    if (cell.state === 'draining') planDrain(plan, cell, input)
  }
  const why = firstPlacementWaitsFor(input, ready)
  for (const cell of ready) {
    if (why !== undefined) plan.waiting.set(cell.id, why)
    else {
      const step = transition('ready', 'activate', factsOf(cell))
      if (step.ok) plan.activations.push(cell)
      else plan.waiting.set(cell.id, step.problems.map((p) => p.message).join('; '))
    }
  }
  return plan
}

/** The cell once a step is taken. */
export function inState(cell: Cell, state: CellState, now: number): Cell {
  return { ...cell, state, state_since: new Date(now).toISOString() }
}

/** The cell as it is placed once it is ready: what it cannot be placed with is told while somebody asks for it. */
export function onceReady(cell: Cell, now: number): Cell {
  return cell.state === 'provisioning' || cell.state === 'ready' ? inState(cell, 'active', now) : cell
}

function advance(plan: LifecyclePlan, cell: Cell, event: CellEvent, facts: CellFacts): CellState | undefined {
  const step = transition(cell.state, event, facts)
  if (step.ok) {
    plan.steps.push({ cell, event, to: step.value })
    return step.value
  }
  plan.waiting.set(cell.id, step.problems.map((p) => p.message).join('; '))
  return undefined
}

function planDrain(plan: LifecyclePlan, cell: Cell, input: LifecycleInput): void {
  const facts = input.factsOf(cell)
  const look = transition(cell.state, 'finish-drain', facts)
  if (!look.ok) {
    plan.waiting.set(cell.id, look.problems.map((p) => p.message).join('; '))
    return
  }
  const since = input.emptySince.get(cell.id) ?? input.now
  plan.emptySince.set(cell.id, since)
  if (input.now - since >= input.drainSettleMs) advance(plan, cell, 'finish-drain', facts)
  else
    plan.waiting.set(
      cell.id,
      `cell "${cell.id}" looks empty; it is watched for ${input.drainSettleMs / 1000} s`,
    )
}

function firstPlacementWaitsFor(input: LifecycleInput, ready: readonly Cell[]): string | undefined {
  if (!input.isFirstPlacement || ready.length === 0) return undefined
  const coming = input.cells.filter(
    (cell) => cell.state === 'provisioning' && !ready.some((one) => one.id === cell.id),
  )
  if (coming.length === 0) return undefined
  const first = Math.min(...ready.map((cell) => Date.parse(cell.state_since)))
  if (input.now - first >= input.firstPlacementWaitMs) return undefined
  return `ready; the first placement waits for ${coming.map((cell) => cell.id).join(', ')}`
}
