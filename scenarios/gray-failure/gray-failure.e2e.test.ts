import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import {
  ATTEMPTS_PER_CALL_MAX,
  isSpread,
  LAST_FAILURE_AFTER_MS_MAX,
  OTHERS_LOAD_MAX,
  OUT_AFTER_MS_MAX,
} from './claims.ts'
import { PLAN, type Plan } from './plan.ts'
import { cellplane } from './proxies/cellplane.ts'
import { roundRobin } from './proxies/round-robin.ts'
import { type Replay, replay } from './run.ts'
import { plotOf } from './show/plot.ts'
import { ROWS, sparklinesOf, tableOf } from './show/table.ts'

/** Both at once, and shorter: enough to see who is hit. */
const BRIEF: Plan = { ...PLAN, beforeMs: 2_000, faultMs: 8_000, afterMs: 2_000 }

describe('an instance whose code answers 500 and whose health check answers 200', { timeout: 60_000 }, () => {
  let plain: Replay
  let cells: Replay

  before(async () => {
    const both = await Promise.all([replay(roundRobin, BRIEF), replay(cellplane, BRIEF)])
    plain = both[0]
    cells = both[1]
  })

  test('is noticed by nobody before it breaks', () => {
    for (const { proxy, seconds } of [plain, cells]) {
      assert.equal(seconds[0]!.okRatio, 1, `${proxy}: the service failed without a fault`)
    }
  })

  test('is felt by most tenants behind a round-robin proxy, whose callers’ retries load all others', (t) => {
    t.diagnostic(JSON.stringify({ ...plain, seconds: undefined }))
    assert.ok(isSpread(plain), `${plain.seen.tenantsFailed} of ${plain.seen.tenants} tenants`)
    assert.equal(plain.outAfterMs, null, 'its health check gave the instance away')
    assert.ok(plain.amplificationInFault > 1.3, `${plain.amplificationInFault}`)
  })

  test('costs no tenant anything whose shard is without it, behind cellplane', (t) => {
    t.diagnostic(JSON.stringify({ ...cells, seconds: undefined }))
    assert.ok(cells.withoutBroken.tenants > BRIEF.tenants / 2, `${cells.withoutBroken.tenants} tenants`)
    assert.equal(cells.withoutBroken.failures, 0, JSON.stringify(cells.reasons))
  })

  test('is out of the router’s choice within seconds, and nobody fails after that', () => {
    assert.ok(cells.outAfterMs !== null && cells.outAfterMs < OUT_AFTER_MS_MAX, `${cells.outAfterMs} ms`)
    assert.ok((cells.lastFailureAfterMs ?? 0) < LAST_FAILURE_AFTER_MS_MAX, `${cells.lastFailureAfterMs} ms`)
  })

  test('is not made worse by the router’s own attempts', () => {
    assert.ok(cells.attemptsPerCall < ATTEMPTS_PER_CALL_MAX, `${cells.attemptsPerCall}`)
  })

  test('loads no other cell beyond its ceiling', () => {
    assert.ok(cells.mostLoadedOther <= OTHERS_LOAD_MAX, `${cells.mostLoadedOther}`)
    assert.equal(cells.refusedByOthers, 0)
  })

  test('is shown in a table, in the terminal and as a plot, of the figures that were measured', () => {
    const both = [plain, cells]
    const table = tableOf(both)
    for (const [what] of ROWS) assert.ok(table.includes(what), what)
    assert.ok(table.includes(`${plain.seen.failures} of ${plain.seen.actions}`))
    assert.match(sparklinesOf(both, BRIEF), /actions that succeeded, 0 to 100.0 %\n {2}round robin +█{2}/)
    const plot = plotOf(both, BRIEF)
    assert.match(plot, /^<svg /)
    assert.doesNotMatch(plot, /NaN|undefined|null/)
  })
})
