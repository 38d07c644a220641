/** What becomes of alerts and incidents while nobody knows how cells do, in virtual time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFAULT_SLOS } from '@cellplane/contract'
import { MetricsUnavailable } from '@cellplane/telemetry'
import { INCIDENTS } from '../store/collections.ts'
import type { Alert } from './alerts.ts'
import { createVirtualFleet, type VirtualFleet } from './fixtures/virtual-fleet.ts'

const HOUR = 3_600
const BAD = 'cell-002'
const outage = (id: string) => (id === BAD ? 1 : 0)

/** Of the condition of the shortest windows: those of longer ones come and go by themselves. */
const pageOf = ({ watch }: VirtualFleet): Alert | undefined =>
  [...watch.standing()!.alerts.values()].find(({ shortSeconds }) => shortSeconds === 300)
const incidentsOf = async ({ store }: VirtualFleet) =>
  (await store.list(INCIDENTS)).rows.map(({ value }) => value)

/** Two minutes of outage after hours of calm: a page, and an open incident. `told` grows with each change of alerts. */
async function fleetInTrouble(routerOf?: (id: string) => string) {
  const told: Alert[][] = []
  const fleet = await createVirtualFleet({
    ...(routerOf ? { routerOf } : {}),
    slos: [DEFAULT_SLOS[0]!],
    cells: 4,
    onAlerts: (_, after) => void told.push([...after.values()]),
  })
  await fleet.pass(6 * HOUR, undefined, false)
  const began = fleet.now()
  await fleet.pass(120, outage)
  assert.equal(pageOf(fleet)?.cell, BAD)
  return { fleet, began, told }
}

test('a look whose questions have no answer leaves everything as it is, and the next one goes on', async (t) => {
  const { fleet, told } = await fleetInTrouble()
  const standing = fleet.watch.standing()
  const incidents = await incidentsOf(fleet)
  const tellings = told.length
  const counts = t.mock.method(fleet.metrics, 'counts', async () => {
    throw new MetricsUnavailable('down')
  })
  for (let look = 0; look < 3; look++) await assert.rejects(fleet.pass(10, outage), MetricsUnavailable)
  assert.equal(fleet.watch.standing(), standing)
  assert.deepEqual(await incidentsOf(fleet), incidents)
  assert.equal(told.length, tellings)
  counts.mock.restore()
  await fleet.pass(10, outage)
  const page = [...standing!.alerts.values()].find(({ shortSeconds }) => shortSeconds === 300)
  assert.equal(pageOf(fleet)!.since, page!.since)
})

test('silence ends no alert and no incident; calm that was measured does, as of the last failure', async () => {
  const { fleet, began } = await fleetInTrouble()
  const { since } = pageOf(fleet)!
  await fleet.hearNothing(1_800)
  assert.equal(pageOf(fleet)?.since, since)
  assert.deepEqual(
    (await incidentsOf(fleet)).map(({ until }) => until),
    [null],
  )
  await fleet.pass(240)
  assert.equal(pageOf(fleet)?.since, since)
  await fleet.pass(120)
  assert.equal(pageOf(fleet), undefined)
  assert.deepEqual(
    (await incidentsOf(fleet)).map(({ from, until }) => [from, until]),
    [[began, began + 120_000]],
  )
})

test('what fails after a silence pages, whether the time before was measured or not', async () => {
  const fleet = await createVirtualFleet({ slos: [DEFAULT_SLOS[0]!], cells: 2 })
  await fleet.pass(6 * HOUR, undefined, false)
  await fleet.hearNothing(120)
  await fleet.pass(70, outage)
  assert.equal(pageOf(fleet)?.cell, BAD)
})

describe('when the router of a cell is silent, and that of another one is not', () => {
  /** As in zones: each router knows all cells, and sends to one of them. */
  const zonal = (id: string) => (id === BAD ? 'router-b' : 'router-a')
  const isOpen = async (fleet: VirtualFleet) => (await incidentsOf(fleet)).map(({ until }) => until === null)

  test('nothing ends, until it reports again and has done so for five minutes', async () => {
    const { fleet, began } = await fleetInTrouble(zonal)
    const { since } = pageOf(fleet)!
    fleet.silence('router-b')
    await fleet.pass(2_400, outage)
    assert.equal(pageOf(fleet)?.since, since)
    assert.deepEqual(await isOpen(fleet), [true])
    fleet.silence()
    // The first report after a gap only sets the counters.
    await fleet.pass(10)
    assert.equal(pageOf(fleet)?.since, since)
    await fleet.pass(400)
    assert.equal(pageOf(fleet), undefined)
    assert.deepEqual(
      (await incidentsOf(fleet)).map(({ from, until }) => [from, until]),
      [[began, began + 120_000]],
    )
  })
  test('what the cell is asked by others ends it', async () => {
    let routers = zonal
    const { fleet } = await fleetInTrouble((id) => routers(id))
    fleet.silence('router-b')
    await fleet.pass(600, outage)
    assert.notEqual(pageOf(fleet), undefined)
    routers = () => 'router-a'
    await fleet.pass(600)
    assert.equal(pageOf(fleet), undefined)
    assert.deepEqual(await isOpen(fleet), [false])
  })
})

test('an incident that was open through hours of silence ended when its cell failed last', async () => {
  const { fleet, began } = await fleetInTrouble()
  await fleet.hearNothing(3 * HOUR)
  await fleet.pass(600)
  assert.deepEqual(
    (await incidentsOf(fleet)).map(({ from, until }) => [from, until]),
    [[began, began + 120_000]],
  )
})
