/**
 * `node scenarios/stateful-poison/scenario.ts`: a tenant of a stateful fleet floods its cell with requests that fail; it is
 * throttled where its data is. `--json` for the raw figures. Exits 1 when it does not hold.
 */
import { parseArgs } from 'node:util'
import { report } from '../present.ts'
import { type StatefulPlan, throttleAtHome } from './run.ts'

const PLAN: StatefulPlan = {
  cells: 4,
  tenants: 80,
  requestsPerSecond: 200,
  // Less than a quarter of all requests: more is not put into quarantine by automation.
  badRequestsPerSecond: 40,
  cellRequestsPerSecond: 150,
  beforeMs: 5_000,
  throttledMs: 10_000,
  seed: 1,
}
const QUARANTINED_AFTER_MS_MAX = 5_000
/** Of its cap, which in a stateful fleet is all of its cell's. */
const THROTTLE_PER_SECOND = PLAN.cellRequestsPerSecond / 10

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const result = await throttleAtHome(PLAN)
const { good, throttled, quarantinedAfterMs, anyRouteCells, refusedAfterRelease } = result
const perSecond = (requests: number): number => Math.round((requests * 10_000) / throttled.ms) / 10
report({
  title: 'A tenant whose requests fail, in a stateful fleet',
  result,
  isJson: values.json,
  lines: [
    ['in quarantine, after its first request', `${(quarantinedAfterMs / 1000).toFixed(1)} s`],
    ['its requests a second while throttled', perSecond(throttled.requests)],
    [
      '  let through to its home',
      `${perSecond(throttled.letThrough)} (a tenth of its cap: ${THROTTLE_PER_SECOND})`,
    ],
    ['  refused with 429', perSecond(throttled.refused)],
    ['who answers what any cell may serve', anyRouteCells.join(', ')],
    ['refused after its release', refusedAfterRelease],
    ['good tenants’ requests that failed', `${good.failures} of ${good.requests}`],
  ],
  holds:
    quarantinedAfterMs <= QUARANTINED_AFTER_MS_MAX &&
    perSecond(throttled.letThrough) <= 1.2 * THROTTLE_PER_SECOND &&
    anyRouteCells.join() === 'quarantine' &&
    refusedAfterRelease === 0 &&
    good.failures === 0,
})
