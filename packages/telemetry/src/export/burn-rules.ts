/**
 * Burn-rate alerts by cell, as recording and alerting rules: the same conditions that the control plane evaluates (core's
 * `burnConditions`), with the same arithmetic.
 *
 * Three groups, by how often they have to look and how far back:
 *
 *     urgent    every 5 s    windows up to an hour, over what was scraped
 *     lasting   every minute longer windows, over sums of a minute that it records first: three days are 4,320 numbers
 *                            for a cell, where scrapes are 26,000 for each of its series at each router
 *     budget    every 5 min  what is left of the period's budget, over the same sums
 *
 * A cell without requests has no ratio: silence burns nothing.
 */
import { type BurnCondition, burnConditions, type Severity } from '@cellplane/core'
import { durationText } from './duration.ts'
import { indicatorOf } from './indicators.ts'
import type { BurnTarget, MonitoredFleet, MonitoredSlo } from './monitored-fleet.ts'

export type RecordingRule = { record: string; expr: string; labels: Record<string, string> }
export type AlertRule = {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}
export type RuleGroup = { name: string; interval: string; rules: (RecordingRule | AlertRule)[] }

export const BURN_ALERTS: Record<Severity, string> = {
  page: 'CellplaneCellBurnsBudgetFast',
  ticket: 'CellplaneCellBurnsBudget',
}

export const TOTAL_SERIES = 'cell:cellplane_slo_requests:increase1m'
export const BAD_SERIES = 'cell:cellplane_slo_bad_requests:increase1m'
export const BUDGET_SERIES = 'cell:cellplane_slo_budget_left:ratio'
const RATIO_SERIES = 'cell:cellplane_slo_bad_requests:ratio_rate'

const URGENT_INTERVAL_SECONDS = 5
const URGENT_WINDOW_SECONDS_MAX = 3_600
const STEP_SECONDS = 60
const BUDGET_INTERVAL_SECONDS = 300

export function burnRuleGroups(monitored: MonitoredFleet, slo: MonitoredSlo): RuleGroup[] {
  const conditions = burnConditions(slo.periodSeconds)
  const urgent = conditions.filter(isUrgent)
  const lasting = conditions.filter((condition) => !isUrgent(condition))
  const group = (name: string, seconds: number, rules: RuleGroup['rules']): RuleGroup => ({
    name: `cellplane-${monitored.fleet}-${slo.name}-${name}`,
    interval: durationText(seconds / monitored.timeScale),
    rules,
  })
  const alerts = (those: readonly BurnCondition[]) =>
    those.map((condition) => burnAlert(monitored, slo, condition))
  return [
    group('urgent', URGENT_INTERVAL_SECONDS, [
      ...windowsOf(urgent).map((seconds) => urgentRatio(monitored, slo, seconds)),
      ...alerts(urgent),
    ]),
    group('lasting', STEP_SECONDS, [
      ...stepSums(monitored, slo),
      ...windowsOf(lasting).map((seconds) => lastingRatio(monitored, slo, seconds)),
      ...alerts(lasting),
    ]),
    group('budget', BUDGET_INTERVAL_SECONDS, [budgetLeft(monitored, slo)]),
  ]
}

const isUrgent = ({ longSeconds }: BurnCondition) => longSeconds <= URGENT_WINDOW_SECONDS_MAX

function windowsOf(conditions: readonly BurnCondition[]): number[] {
  return [...new Set(conditions.flatMap(({ shortSeconds, longSeconds }) => [shortSeconds, longSeconds]))]
}

/** Named by the unscaled window, so that nothing else depends on the scale. */
export const ratioSeries = (seconds: number) => `${RATIO_SERIES}${durationText(seconds)}`

function urgentRatio(
  { fleet, timeScale }: MonitoredFleet,
  slo: MonitoredSlo,
  seconds: number,
): RecordingRule {
  const { bad, total } = indicatorOf(fleet, slo)
  const window = durationText(seconds / timeScale)
  return {
    record: ratioSeries(seconds),
    expr: `(${bad('rate', window)}) / (${total('rate', window)} > 0)`,
    labels: { fleet, slo: slo.name },
  }
}

function stepSums({ fleet, timeScale }: MonitoredFleet, slo: MonitoredSlo): RecordingRule[] {
  const { bad, total } = indicatorOf(fleet, slo)
  const window = durationText(STEP_SECONDS / timeScale)
  const labels = { fleet, slo: slo.name }
  return [
    { record: TOTAL_SERIES, expr: total('increase', window), labels },
    { record: BAD_SERIES, expr: bad('increase', window), labels },
  ]
}

function lastingRatio(
  { fleet, timeScale }: MonitoredFleet,
  slo: MonitoredSlo,
  seconds: number,
): RecordingRule {
  return {
    record: ratioSeries(seconds),
    expr: ratioOfSums(fleet, slo, durationText(seconds / timeScale)),
    labels: { fleet, slo: slo.name },
  }
}

function budgetLeft({ fleet, timeScale }: MonitoredFleet, slo: MonitoredSlo): RecordingRule {
  const ratio = ratioOfSums(fleet, slo, durationText(slo.periodSeconds / timeScale))
  return {
    record: BUDGET_SERIES,
    expr: `1 - ${ratio} / (1 - ${slo.target})`,
    labels: { fleet, slo: slo.name },
  }
}

function ratioOfSums(fleet: string, { name }: MonitoredSlo, window: string): string {
  const selector = `{fleet="${fleet}",slo="${name}"}`
  const sum = (series: string) => `sum_over_time(${series}${selector}[${window}])`
  return `${sum(BAD_SERIES)} / (${sum(TOTAL_SERIES)} > 0)`
}

function burnAlert({ fleet }: MonitoredFleet, slo: MonitoredSlo, condition: BurnCondition): AlertRule {
  const { severity, shortSeconds, longSeconds, factor } = condition
  const above = (seconds: number) =>
    `${ratioSeries(seconds)}{fleet="${fleet}",slo="${slo.name}"} / (1 - ${slo.target}) > ${factor}`
  return {
    alert: BURN_ALERTS[severity],
    expr: `${above(longSeconds)} and ${above(shortSeconds)}`,
    labels: burnLabels(slo, condition),
    annotations: burnAnnotations(fleet, '{{ $labels.cell }}', slo, condition),
  }
}

/** The objective is said here as well, so that no two alerts of a name have the same labels. */
export function burnLabels(
  { name }: BurnTarget,
  { severity, shortSeconds, longSeconds }: BurnCondition,
): Record<string, string> {
  return {
    slo: name,
    severity,
    short_window: durationText(shortSeconds),
    long_window: durationText(longSeconds),
  }
}

export function burnAnnotations(
  fleet: string,
  cell: string,
  { name, target, periodSeconds }: BurnTarget,
  { shortSeconds, longSeconds, factor }: BurnCondition,
): Record<string, string> {
  const period = durationText(periodSeconds)
  const windows = `${durationText(longSeconds)} and ${durationText(shortSeconds)}`
  return {
    summary: `${cell} of ${fleet} burns its ${name} budget`,
    description: `More than ${factor} times as fast as a target of ${percentText(target)} over ${period} allows, over the last ${windows}. See: cellplane cell show ${cell}`,
  }
}

/** 0.9995 × 100 is 99.95 and some dust. */
const percentText = (share: number) => `${Number((share * 100).toPrecision(8))} %`
