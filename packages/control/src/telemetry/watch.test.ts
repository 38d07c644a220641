/** Objectives, alerts and incidents in virtual time, from reports to the store. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFAULT_SLOS } from '@cellplane/contract'
import { CELLS, INCIDENTS } from '../store/collections.ts'
import { intact } from '../store/store.ts'
import { createVirtualFleet, START, type VirtualFleet } from './fixtures/virtual-fleet.ts'
import { compileReport } from './report.ts'
import { createTenantHours } from './tenant-hours.ts'

const HOUR = 3_600
const slos = DEFAULT_SLOS
const BAD = 'cell-002'
const outage = (id: string) => (id === BAD ? 1 : 0)

/** Tickets of a fleet without days behind it come early: its long windows are as short as it is young. */
const pagesOf = ({ watch }: VirtualFleet) =>
  [...watch.standing()!.alerts.values()]
    .filter(({ severity }) => severity === 'page')
    .map(({ cell, slo, shortSeconds }) => ({ cell, slo: slo.name, shortSeconds }))
const incidentsOf = async ({ store }: VirtualFleet) =>
  (await store.list(INCIDENTS)).rows.map(({ value }) => value)

describe('a total outage of one cell of four', () => {
  test('pages for that cell alone within 60 s and one look, and the page is over 5 minutes after it', async () => {
    const fleet = await createVirtualFleet({ slos, cells: 4 })
    await fleet.pass(6 * HOUR, undefined, false)
    await fleet.pass(50, outage)
    assert.deepEqual(pagesOf(fleet), [])
    await fleet.pass(20, outage)
    assert.deepEqual(pagesOf(fleet), [{ cell: BAD, slo: 'availability', shortSeconds: 300 }])
    await fleet.pass(20, outage)
    await fleet.pass(240)
    assert.equal(pagesOf(fleet).length, 1)
    await fleet.pass(60)
    assert.deepEqual(pagesOf(fleet), [])
  })

  test('is an incident of that cell, from the first failure to the last, and one again when it comes back at once', async () => {
    const fleet = await createVirtualFleet({ slos, cells: 4 })
    await fleet.pass(6 * HOUR, undefined, false)
    const began = fleet.now()
    await fleet.pass(120, outage)
    const [open] = await incidentsOf(fleet)
    assert.deepEqual([open!.cell, open!.from, open!.until], [BAD, began, null])
    await fleet.pass(400)
    const [closed, ...others] = await incidentsOf(fleet)
    assert.deepEqual(others, [])
    assert.deepEqual([closed!.from, closed!.until], [began, began + 120_000])
    assert.deepEqual(closed!.of_cell, { total: 2_400, good: 0 })
    assert.deepEqual(closed!.of_fleet, { total: 9_600, good: 7_200 })
    await fleet.pass(100, outage)
    const [again, ...more] = await incidentsOf(fleet)
    assert.deepEqual(more, [])
    assert.deepEqual([again!.from, again!.until], [began, null])
  })

  test('names what was seen of the cell as its cause', async () => {
    const health = { verdict: 'unhealthy', reason: 'answered 503' }
    const observations = { healthOf: () => health as ReturnType<VirtualFleet['watch']['standing']> & never }
    const fleet = await createVirtualFleet({ slos, cells: 2, observations })
    await fleet.pass(HOUR, undefined, false)
    await fleet.pass(120, outage)
    const [incident] = await incidentsOf(fleet)
    assert.deepEqual([incident!.cause, incident!.reason], ['health', 'answered 503'])
  })

  test('is a quarter of it in the report, and all of it without cells', async () => {
    const fleet = await createVirtualFleet({ slos, cells: 4 })
    await fleet.pass(HOUR, undefined, false)
    await fleet.pass(120, outage)
    await fleet.pass(400)
    await fleet.pass(HOUR - 400, undefined, false)
    const span = { from: START, until: fleet.now() }
    const tenantHours = createTenantHours()
    tenantHours.record([
      { tenant: 'struck', requests: 900, errors: 30 },
      { tenant: 'spared', requests: 1_000, errors: 0 },
      { tenant: 'elsewhere', requests: 10, errors: 10 },
    ])
    await fleet.store.write((writer) => tenantHours.save(writer, START + HOUR * 1_000))
    const report = await compileReport(fleet.store, fleet.metrics, {
      ...{ fleet: 'test', span, tenantsMax: 5, registeredAt: () => 0 },
      shardOf: (tenant) => (tenant === 'elsewhere' ? ['cell-001'] : [BAD, 'cell-003']),
    })
    assert.deepEqual(
      report.tenants.map((one) => [one.tenant, one.requests, one.failed, one.mttr_seconds]),
      [
        ['spared', 1_000, 0, null],
        ['struck', 900, 30, 120],
        ['elsewhere', 10, 10, null],
      ],
    )
    assert.equal(report.total.requests, 4 * 200 * ((2 * HOUR + 120) / 10))
    assert.deepEqual([report.total.failed, report.without_cells.failed], [2_400, 9_600])
    assert.deepEqual([report.total.mttr_seconds, report.total.incidents], [120, 1])
    assert.equal(report.total.mtbf_seconds, 2 * HOUR)
    const failed = report.cells.map((cell) => [cell.id, cell.failed, cell.incidents])
    assert.deepEqual(failed[1], [BAD, 2_400, 1])
    assert.deepEqual(failed[0], ['cell-001', 0, 0])
    assert.equal(report.measured_from, report.from)
    const [priced, unpriced] = report.cells
    assert.deepEqual([priced!.load_share, priced!.cost_per_month], [0.25, 1_460])
    assert.equal(
      Math.round(priced!.cost_per_million! * 1_000),
      Math.round(((2 * 7_320) / 3_600 / 0.1464) * 1_000),
    )
    assert.equal(unpriced!.cost, null)
    const shown = report.cells[1]!.steps.reduce((sum, step) => sum + step.failed, 0)
    assert.equal(shown, 2_400)
  })
})

test('an outage of a whole fleet is as many incidents, and no more questions to the metrics than that of one cell', async (t) => {
  async function questionsOf(cells: number, failing: (id: string) => number) {
    const fleet = await createVirtualFleet({ slos, cells: 8 })
    await fleet.pass(HOUR, undefined, false)
    const asked = (['counts', 'latencies', 'countsOverTime'] as const).map((question) =>
      t.mock.method(fleet.metrics, question),
    )
    await fleet.pass(120, failing)
    await fleet.pass(400)
    assert.equal((await incidentsOf(fleet)).length, cells)
    return asked.map(({ mock }) => mock.callCount())
  }
  const ofOne = await questionsOf(1, outage)
  assert.deepEqual(await questionsOf(8, () => 1), ofOne)
})

test('what a cell cost ends when it is retired', async () => {
  const fleet = await createVirtualFleet({ slos, cells: 2 })
  await fleet.pass(HOUR, undefined, false)
  const [stored] = intact(await fleet.store.list(CELLS))
  const state_since = new Date(START + (HOUR / 4) * 1_000).toISOString()
  await fleet.store.put(CELLS, 'cell-001', {
    ...stored!,
    cell: { ...stored!.cell, state: 'retired', state_since },
  })
  const span = { from: START, until: fleet.now() }
  const query = { fleet: 'test', span, tenantsMax: 0, shardOf: () => [], registeredAt: () => 0 }
  const report = await compileReport(fleet.store, fleet.metrics, query)
  assert.deepEqual([report.cells[0]!.id, report.cells[0]!.cost], ['cell-001', 2 / 4])
})

test('what a cell cost begins when it is registered', async () => {
  const fleet = await createVirtualFleet({ slos, cells: 2 })
  await fleet.pass(HOUR, undefined, false)
  const costFrom = async (at: number) => {
    const span = { from: START, until: fleet.now() }
    const query = { fleet: 'test', span, tenantsMax: 0, shardOf: () => [], registeredAt: () => at }
    return (await compileReport(fleet.store, fleet.metrics, query)).cells[0]!.cost
  }
  assert.equal(await costFrom(START + (HOUR / 4) * 1_000), (2 * 3) / 4)
  assert.equal(await costFrom(START - 1), 2, 'one that was there before is priced for all of the span')
  assert.equal(await costFrom(fleet.now() + 1), 0)
})

test('a ripple of 20 s over all cells pages nobody and is no incident', async () => {
  const fleet = await createVirtualFleet({ slos, cells: 4 })
  await fleet.pass(HOUR, undefined, false)
  await fleet.pass(20, () => 0.3)
  for (let i = 0; i < 10; i++) {
    await fleet.pass(30)
    assert.deepEqual(pagesOf(fleet), [])
  }
  assert.deepEqual(await incidentsOf(fleet), [])
  const left = fleet.watch.standing()!.budgets.filter(({ slo }) => slo.name === 'availability')
  assert.ok(left.every((budget) => budget.left < 1))
})

describe('a cell that turns requests away for ten minutes', () => {
  const room = {
    name: 'room',
    indicator: 'saturation',
    threshold_share: 0.9,
    target: 0.99,
    period: '30d',
  } as const
  const pushed = async (share: number) => {
    const fleet = await createVirtualFleet({ slos: [...slos, room], cells: 4 })
    await fleet.pass(6 * HOUR, undefined, false)
    await fleet.pass(600, undefined, true, (id) => (id === BAD ? share : 0))
    return fleet
  }

  test('pages for its saturation, and neither for a neighbour nor for another objective', async () => {
    const fleet = await pushed(0.9)
    assert.deepEqual(pagesOf(fleet), [{ cell: BAD, slo: 'room', shortSeconds: 300 }])
    const left = fleet.watch.standing()!.budgets.filter(({ slo }) => slo.name === 'room')
    assert.deepEqual(
      left.map(({ cell, left }) => [cell, left < 1]),
      fleet.ids.map((id) => [id, id === BAD]),
    )
  })
  test('does so if it turns all of them away, and nothing else is counted of it', async () => {
    assert.deepEqual(pagesOf(await pushed(1)), [{ cell: BAD, slo: 'room', shortSeconds: 300 }])
  })
  test('has an incident of that time, in which nothing failed', async () => {
    const fleet = await pushed(0.9)
    await fleet.pass(400)
    const [incident, ...others] = await incidentsOf(fleet)
    assert.deepEqual(others, [])
    assert.deepEqual([incident!.cell, incident!.slo], [BAD, 'room'])
    assert.equal(incident!.until, START + (6 * HOUR + 600) * 1_000)
    assert.deepEqual(incident!.of_cell, { total: 1_200, good: 1_200 })
  })
})

test('a cell that is too slow burns its latency budget, and no other', async () => {
  const slow = { ...DEFAULT_SLOS[1]!, threshold_ms: 2.5 as const, indicator: 'latency' as const }
  const fleet = await createVirtualFleet({ slos: [slow], cells: 2 })
  // All answers of this fleet take more than 2.5 ms.
  await fleet.pass(HOUR, undefined, false)
  await fleet.pass(10)
  assert.deepEqual(
    fleet.watch.standing()!.budgets.map(({ cell, left }) => [cell, Math.round(left)]),
    [
      ['cell-001', -99],
      ['cell-002', -99],
    ],
  )
  assert.ok(pagesOf(fleet).every(({ slo }) => slo === 'latency'))
  // As far back as it is looked.
  const ages = (await incidentsOf(fleet)).map(({ from }) => fleet.now() - from)
  assert.deepEqual(ages, [600_000, 600_000])
})
