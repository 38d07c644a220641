/** Cells: list, show, add, drain, undrain, retire. */
import { type Cell, type CellView, type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import type { CellChanges } from '../../registry/cell-changes.ts'
import { cellView } from '../../registry/cell-view.ts'
import { CELLS, type StoredCell } from '../../store/collections.ts'
import { intact, type Store, type StoreWriter } from '../../store/store.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'

export type CellHandlersOptions = {
  store: Store
  published: Published
  observations: Observations
  changes: CellChanges
  tenure: () => Tenure | undefined
  whyWaiting: (cell: Cell) => string | undefined
}

export function cellHandlers(
  options: CellHandlersOptions,
): Handlers<'listCells' | 'getCell' | 'addCell' | 'drainCell' | 'undrainCell' | 'retireCell'> {
  const { store, published, observations, changes, tenure, whyWaiting } = options
  const view = (cell: Cell) => cellView(cell, observations, published.overlay()?.overlay, whyWaiting(cell))

  /** Answers once the change was taken up, so that what the answer shows is what is in force. */
  async function change(
    run: (writer: StoreWriter) => Promise<Parsed<StoredCell>>,
  ): Promise<Parsed<CellView>> {
    const changed = await store.write(run)
    if (!changed.ok) return changed
    await tenure()?.settle()
    const { id } = changed.value.cell
    return parsed(view((await store.get(CELLS, id))?.cell ?? changed.value.cell))
  }

  return {
    async listCells() {
      const cells = intact(await store.list(CELLS)).map((stored) => stored.cell)
      return parsed({ cells: cells.sort((a, b) => a.slot - b.slot).map(view) })
    },
    async getCell({ params }) {
      const stored = await store.get(CELLS, params.cell)
      return stored
        ? parsed(view(stored.cell))
        : refused(problem('NOT_FOUND', 'path.cell', `no cell is called "${params.cell}"`))
    },
    addCell({ body: { reason, ...wish }, actor }) {
      return change((writer) => changes.add(writer, wish, { actor, reason }))
    },
    drainCell({ params, body, actor }) {
      return change((writer) => changes.drain(writer, params.cell, { actor, ...body }))
    },
    undrainCell({ params, body, actor }) {
      return change((writer) => changes.undrain(writer, params.cell, { actor, ...body }))
    },
    retireCell({ params, body: { reason, force }, actor }) {
      return change((writer) => changes.retire(writer, params.cell, { actor, reason }, force))
    },
  }
}
