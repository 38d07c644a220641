import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { QUARANTINED_AFTER_MS_MAX, walks } from './claims.ts'
import { cellplane } from './grounds/cellplane.ts'
import { shuffle } from './grounds/shuffle.ts'
import { PLAN, type Plan } from './plan.ts'
import { type Replay, replay } from './run.ts'
import { plotOf } from './show/plot.ts'
import { ROWS, sparklinesOf, tableOf } from './show/table.ts'

/** Both at once, smaller and shorter: enough to see who is hit. */
const BRIEF: Plan = {
  ...PLAN,
  cells: 4,
  badRequestsPerSecond: 10,
  beforeMs: 1_000,
  poisonMs: 4_000,
  failingMs: 6_000,
}
/** The control plane’s own time, on a machine that is busy with other suites. */
const BUSY_MS = 5_000

describe('a tenant whose requests crash the process that serves them', { timeout: 180_000 }, () => {
  let plain: Replay
  let cells: Replay

  before(async () => {
    const both = await Promise.all([replay(shuffle, BRIEF), replay(cellplane, BRIEF)])
    plain = both[0]
    cells = both[1]
  })

  test('walks the fleet where failed instances are replaced in its shard', (t) => {
    t.diagnostic(JSON.stringify({ ...plain, seconds: undefined }))
    assert.ok(walks(plain, BRIEF), JSON.stringify(plain.good))
  })

  test('costs no more than its own shard behind cellplane', (t) => {
    t.diagnostic(JSON.stringify({ ...cells, seconds: undefined }))
    assert.ok(cells.cellsCrashed <= BRIEF.shardSize, `${cells.cellsCrashed} cells`)
    assert.ok(cells.good.failures < plain.good.failures / 2, `${cells.good.failures} failures`)
  })

  test('is put into quarantine by the control plane, from what routers saw', () => {
    const { quarantinedAfterMs } = cells.poison
    assert.ok(
      quarantinedAfterMs !== null && quarantinedAfterMs < QUARANTINED_AFTER_MS_MAX + BUSY_MS,
      `${quarantinedAfterMs} ms`,
    )
  })

  test('errors that follow a tenant put that tenant into quarantine, and take no cell out', () => {
    const { quarantinedAfterMs, cellsOut } = cells.failing
    assert.ok(
      quarantinedAfterMs !== null && quarantinedAfterMs < QUARANTINED_AFTER_MS_MAX + BUSY_MS,
      `${quarantinedAfterMs} ms`,
    )
    assert.deepEqual(cellsOut, [])
  })

  test('is shown in a table, in the terminal and as a plot, of the figures that were measured', () => {
    const both = [plain, cells]
    const table = tableOf(both)
    for (const [what] of ROWS) assert.ok(table.includes(what), what)
    assert.ok(table.includes(`${plain.good.failures} of ${plain.good.requests}`))
    assert.match(sparklinesOf(both, BRIEF), /crashes of serving cells\n {2}shuffle shards/)
    const plot = plotOf(both, BRIEF)
    assert.match(plot, /^<svg /)
    assert.doesNotMatch(plot, /NaN|undefined|null/)
  })
})
