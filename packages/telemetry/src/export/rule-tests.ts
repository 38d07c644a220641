/**
 * Cases for `promtool test rules`, made with the rules of an objective: an export that was changed
 * by hand, or is run by another version of Prometheus, is checked by whoever has promtool.
 *
 * One case a clause of what alerts are to do. The series are those of two cells behind one router.
 */
import { type BurnCondition, burnConditions, type Severity } from '@cellplane/core'
import {
  BAD_CODE_CLASSES,
  DURATIONS_SERIES,
  REQUESTS_SERIES,
  SATURATION_SERIES,
} from '../prometheus/series.ts'
import { BURN_ALERTS, burnAnnotations, burnLabels } from './burn-rules.ts'
import type { MonitoredFleet, MonitoredSlo } from './monitored-fleet.ts'

/** As often as the export scrapes. */
const STEP_SECONDS = 10
/** Between two evaluations: longer than in earnest, so that six hours are gone through in seconds. */
const LOOK_SECONDS = 60
const REQUESTS_PER_STEP = 1_000
/** How far above and below a condition the cases are: a rate that is drawn out to a window's ends is not exact. */
const MARGIN = 0.02
/** A ratio that stands still is the same over every window, so it does not have to stand for days. */
const STANDING_STEPS = 60
const CELLS = ['cell-bad', 'cell-good'] as const
const [BAD_CELL, GOOD_CELL] = CELLS

/** So many steps with this share of bad requests. */
type Phase = { steps: number; badShare: number }
type ExpectedAlert = { exp_labels: Record<string, string>; exp_annotations: Record<string, string> }
type AlertCase = { eval_time: string; alertname: string; exp_alerts: ExpectedAlert[] }
type TestGroup = {
  name: string
  interval: string
  input_series: { series: string; values: string }[]
  alert_rule_test: AlertCase[]
}

/** Of one objective and its rules alone. `rulesFile` is named relative to the tests' file. Only for a time scale of 1. */
export function ruleTests(monitored: MonitoredFleet, slo: MonitoredSlo, rulesFile: string): object {
  return {
    rule_files: [rulesFile],
    evaluation_interval: `${LOOK_SECONDS}s`,
    tests: [
      ...outageCases(monitored, slo),
      rippleCase(monitored, slo),
      ...burnConditions(slo.periodSeconds).flatMap((condition) =>
        [1 + MARGIN, 1 - MARGIN].map((part) => standingCase(monitored, slo, condition, part)),
      ),
    ],
  }
}

/**
 * A page within a minute, for the cell that is out and no other; none five minutes after it is back, but for the slower
 * page where the outage used up that much. No case where the objective is so lenient that nothing can burn fast enough.
 */
function outageCases(monitored: MonitoredFleet, slo: MonitoredSlo): TestGroup[] {
  const budget = 1 - slo.target
  const pages = burnConditions(slo.periodSeconds).filter(({ severity }) => severity === 'page')
  const { factor, longSeconds, shortSeconds } = pages[0]!
  if (factor * budget >= 1) return []
  const outageSeconds = Math.ceil((factor * budget * longSeconds) / LOOK_SECONDS) * LOOK_SECONDS
  // As long as the longest window, so that the outage is all that it sees of trouble.
  const start = Math.max(...pages.map((page) => page.longSeconds))
  const end = start + outageSeconds
  const stepsOf = (seconds: number) => seconds / STEP_SECONDS

  function firingAfter(quietSeconds: number): BurnCondition[] {
    const badShareOf = (window: number) =>
      Math.max(0, Math.min(window, outageSeconds + quietSeconds) - quietSeconds) / window
    return pages.filter((page) =>
      [page.shortSeconds, page.longSeconds].every((window) => badShareOf(window) / budget > page.factor),
    )
  }
  const pagesAt = (seconds: number, expected: readonly BurnCondition[]): AlertCase => ({
    eval_time: `${seconds}s`,
    alertname: BURN_ALERTS.page,
    exp_alerts: expected.map((condition) => expectedAlert(monitored, slo, condition)),
  })
  return [
    {
      name: `${slo.name}: a cell that is out is paged for, and no other; the page ends with it`,
      interval: `${STEP_SECONDS}s`,
      input_series: inputSeries(monitored, slo, {
        [BAD_CELL]: [
          { steps: stepsOf(start), badShare: 0 },
          { steps: stepsOf(outageSeconds), badShare: 1 },
          { steps: stepsOf(shortSeconds), badShare: 0 },
        ],
        [GOOD_CELL]: [{ steps: stepsOf(end + shortSeconds), badShare: 0 }],
      }),
      alert_rule_test: [
        pagesAt(start, []),
        pagesAt(end, firingAfter(0)),
        pagesAt(end + shortSeconds, firingAfter(shortSeconds)),
      ],
    },
  ]
}

/** A minute in which every cell fails a little is within every cell's budget. */
function rippleCase(monitored: MonitoredFleet, slo: MonitoredSlo): TestGroup {
  const before = 3_600
  const ripple: Phase[] = [
    { steps: before / STEP_SECONDS, badShare: 0 },
    { steps: LOOK_SECONDS / STEP_SECONDS, badShare: Math.min(1, 10 * (1 - slo.target)) },
    { steps: LOOK_SECONDS / STEP_SECONDS, badShare: 0 },
  ]
  const times = [0, 1, 2].map((looks) => `${before + looks * LOOK_SECONDS}s`)
  return {
    name: `${slo.name}: a ripple over all cells wakes nobody`,
    interval: `${STEP_SECONDS}s`,
    input_series: inputSeries(monitored, slo, { [BAD_CELL]: ripple, [GOOD_CELL]: ripple }),
    alert_rule_test: times.flatMap((time) =>
      Object.values(BURN_ALERTS).map((alertname) => ({ eval_time: time, alertname, exp_alerts: [] })),
    ),
  }
}

/** Bad requests at `part` of a condition's factor: it fires, or only those below it do. */
function standingCase(
  monitored: MonitoredFleet,
  slo: MonitoredSlo,
  condition: BurnCondition,
  part: number,
): TestGroup {
  const rate = condition.factor * part
  const badShare = Math.min(1, rate * (1 - slo.target))
  // What a lenient objective can burn at most may be less than the factor asks for.
  const reached = badShare / (1 - slo.target)
  const firing = burnConditions(slo.periodSeconds).filter(({ factor }) => reached > factor)
  return {
    name: `${slo.name}: burning ${rate.toFixed(2)} times as fast as allowed is ${firing.length} alerts`,
    interval: `${STEP_SECONDS}s`,
    input_series: inputSeries(monitored, slo, {
      [BAD_CELL]: [{ steps: STANDING_STEPS, badShare }],
      [GOOD_CELL]: [{ steps: STANDING_STEPS, badShare: 0 }],
    }),
    alert_rule_test: (Object.keys(BURN_ALERTS) as Severity[]).map((severity) => ({
      eval_time: `${STANDING_STEPS * STEP_SECONDS}s`,
      alertname: BURN_ALERTS[severity],
      exp_alerts: firing
        .filter((one) => one.severity === severity)
        .map((one) => expectedAlert(monitored, slo, one)),
    })),
  }
}

function expectedAlert(
  { fleet }: MonitoredFleet,
  slo: MonitoredSlo,
  condition: BurnCondition,
): ExpectedAlert {
  return {
    exp_labels: { fleet, cell: BAD_CELL, ...burnLabels(slo, condition) },
    exp_annotations: burnAnnotations(fleet, BAD_CELL, slo, condition),
  }
}

/** Counters of a router, in promtool's notation: `0+10x6` are seven samples from 0 on, each 10 above the last. */
function inputSeries(
  { fleet }: MonitoredFleet,
  slo: MonitoredSlo,
  phasesOf: Record<string, readonly Phase[]>,
): TestGroup['input_series'] {
  const counters = countersOf(slo)
  return Object.entries(phasesOf).flatMap(([cell, phases]) =>
    counters.map(({ name, label, share }) => ({
      series: `${name}{fleet="${fleet}",router="router-1",cell="${cell}"${label}}`,
      values: counterText(phases.map(({ steps, badShare }) => [steps, REQUESTS_PER_STEP * share(badShare)])),
    })),
  )
}

/** What an indicator is reckoned from, and which share of the requests each counts. */
type Counter = { name: string; label: string; share(badShare: number): number }

function countersOf(slo: MonitoredSlo): Counter[] {
  const good = (name: string, label: string): Counter => ({ name, label, share: (badShare) => 1 - badShare })
  const bad = (name: string, label: string): Counter => ({ name, label, share: (badShare) => badShare })
  const all = (name: string): Counter => ({ name, label: '', share: () => 1 })
  const upTo = (histogram: string, bound: number) => [
    good(`${histogram}_bucket`, `,le="${bound}"`),
    all(`${histogram}_count`),
  ]
  switch (slo.indicator) {
    case 'availability':
      return [
        good(REQUESTS_SERIES, ',code_class="2xx"'),
        bad(REQUESTS_SERIES, `,code_class="${BAD_CODE_CLASSES[0]}"`),
      ]
    case 'latency':
      return upTo(DURATIONS_SERIES, slo.threshold_ms / 1000)
    case 'saturation':
      return upTo(SATURATION_SERIES, slo.threshold_share)
  }
}

function counterText(phases: readonly (readonly [steps: number, perStep: number])[]): string {
  let value = 0
  const texts = phases.map(([steps, perStep]) => {
    const from = value + perStep
    value += steps * perStep
    return `${from}+${perStep}x${steps - 1}`
  })
  return `0 ${texts.join(' ')}`
}
