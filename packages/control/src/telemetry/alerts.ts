/** Alerts as they stand: which conditions hold for which cell and objective, and since when. Pure. */
import type { Slo } from '@cellplane/contract'
import type { Burning } from '@cellplane/core'
import type { CellBudget } from './evaluate.ts'

export type Alert = Burning & {
  readonly cell: string
  readonly slo: Slo
  /** Ms since the epoch. */
  readonly since: number
}

/** By `alertKey`. Bounded by cells × objectives × conditions. */
export type Alerts = ReadonlyMap<string, Alert>

export const NO_ALERTS: Alerts = new Map()

/** Each condition is an alert of its own: the longer one goes on when the shorter is over. */
export const alertKey = ({ cell, slo, longSeconds }: Pick<Alert, 'cell' | 'slo' | 'longSeconds'>): string =>
  `${cell} ${slo.name} ${longSeconds}`

export function nextAlerts(before: Alerts, budgets: readonly CellBudget[], now: number): Alerts {
  const alerts = budgets.flatMap(({ cell, slo, burning }) =>
    burning.map((condition) => {
      const since = before.get(alertKey({ cell, slo, longSeconds: condition.longSeconds }))?.since ?? now
      return { ...condition, cell, slo, since }
    }),
  )
  return new Map(alerts.map((alert) => [alertKey(alert), alert]))
}

/** Those that have ended. */
export const resolvedAlerts = (before: Alerts, after: Alerts): Alert[] =>
  [...before.values()].filter((alert) => !after.has(alertKey(alert)))
