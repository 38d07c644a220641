/**
 * The watch over objectives: at each look, how every cell stands, which alerts fire, which incidents are open. It has no
 * clock: a look is of the end of a step.
 *
 * Nothing ends by ignorance: an alert or an incident that seems to be over goes on until the calm was measured. A look whose
 * questions have no answer rejects, and how things stood stays.
 */
import type { Cell, Slo } from '@cellplane/contract'
import { COARSE_KEPT_SECONDS } from '@cellplane/telemetry'
import type { Observations } from '../health/observations.ts'
import { CELLS } from '../store/collections.ts'
import { intact, type Store } from '../store/store.ts'
import { type Alert, type Alerts, alertKey, NO_ALERTS, nextAlerts, resolvedAlerts } from './alerts.ts'
import { causeOf, createReleases } from './causes.ts'
import { createEndings, type IsOver } from './endings.ts'
import { type CellBudget, evaluateSlos } from './evaluate.ts'
import { createIncidents } from './incidents.ts'
import type { Keeper } from './keeper.ts'

export type WatchOptions = {
  slos: readonly Slo[]
  store: Pick<Store, 'list' | 'write'>
  keeper: Pick<Keeper, 'watched' | 'windows' | 'isMeasuredByAll' | 'forget'>
  observations: Pick<Observations, 'healthOf'>
  /** What the alerts became. Must not throw. */
  onAlerts(before: Alerts, after: Alerts, at: number): void
}

/** How the cells stood at a look. */
export type Standing = { at: number; budgets: readonly CellBudget[]; alerts: Alerts }

export type Watch = ReturnType<typeof createWatch>

export function createWatch({ slos, store, keeper, observations, onAlerts }: WatchOptions) {
  const releases = createReleases()
  let cells: Cell[] = []
  let standing: Standing | null = null
  const incidents = createIncidents({
    store,
    metrics: keeper.watched,
    causeOf: (id, at) =>
      causeOf(
        cells.find((cell) => cell.id === id),
        observations,
        releases,
        at,
      ),
  })

  return {
    /** Null before the first look. */
    standing: (): Standing | null => standing,
    /** `until`: the end of a step, in ms since the epoch. */
    async look(until: number): Promise<void> {
      cells = intact(await store.list(CELLS)).map((stored) => stored.cell)
      for (const { id, state, state_since } of cells) {
        const isGone = state === 'retired' && until - Date.parse(state_since) > COARSE_KEPT_SECONDS * 1_000
        if (isGone) keeper.forget(id)
      }
      releases.see(cells, until)
      const budgets = await evaluateSlos(keeper.windows, slos, until)
      const before = standing?.alerts ?? NO_ALERTS
      const isOver = createEndings(keeper, budgets, until)
      const burning = nextAlerts(before, budgets, until)
      const alerts = new Map([...(await notOver(resolvedAlerts(before, burning), isOver)), ...burning])
      standing = { at: until, budgets, alerts }
      onAlerts(before, alerts, until)
      await incidents.reconcile(alerts, slos, until, isOver)
    },
    /** Another replica may look from now on. */
    forget(): void {
      standing = null
      incidents.forget()
    },
  }
}

async function notOver(alerts: readonly Alert[], isOver: IsOver): Promise<[string, Alert][]> {
  const found: [string, Alert][] = []
  for (const alert of alerts) {
    const { cell, slo, since } = alert
    if (!(await isOver({ cell, slo: slo.name, since }))) found.push([alertKey(alert), alert])
  }
  return found
}
