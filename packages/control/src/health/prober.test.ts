import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Cell, HostReport } from '@cellplane/contract'
import { waitFor } from '@cellplane/testing'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { askHealthPath } from './health-path.ts'
import { startObservations } from './observations.ts'
import { startProber } from './prober.ts'

const SOON_MS = 10_000
/** A round that no test waits for. */
const LATE_MS = 60_000

/** Answers 200, and counts by whom it was asked. */
async function startCell() {
  const cell = { endpoint: '', asked: 0, stop: () => server.close() }
  const server = createServer((_request, response) => {
    cell.asked++
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cell.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return cell
}

describe('a cell that is new', () => {
  let known: Awaited<ReturnType<typeof startCell>>
  let fresh: Awaited<ReturnType<typeof startCell>>
  before(async () => {
    known = await startCell()
    fresh = await startCell()
  })
  after(() => {
    known.stop()
    fresh.stop()
  })

  test('is asked at once, and one success is enough; the others wait for their round', async () => {
    const policy = { ...exampleFleet().health, interval_ms: LATE_MS, healthy_after: 2 }
    const prober = startProber(policy, askHealthPath(policy), Date.now, () => {})
    try {
      prober.setTargets([{ slot: 0, id: 'cell-001', endpoint: known.endpoint }])
      await waitFor('the first', SOON_MS, () => prober.stateOf(0).health === 'healthy')
      const first = { slot: 0, id: 'cell-001', endpoint: known.endpoint }
      prober.setTargets([first, { slot: 1, id: 'cell-002', endpoint: fresh.endpoint }])
      await waitFor('the second', SOON_MS, () => prober.stateOf(1).health === 'healthy')
      assert.deepEqual([known.asked, fresh.asked], [1, 1])
    } finally {
      await prober.stop()
    }
  })

  test('is not asked before its host says that it runs, so that no failure has to be outweighed', async () => {
    const fleet = exampleFleet({ health: { interval_ms: 100 } })
    const declared = planDeclarations(fleet, [], 'local', Date.now()).map(({ stored }) => stored.cell)
    const active: Cell = { ...declared[0]!, state: 'active', endpoint: known.endpoint }
    const coming: Cell = { ...declared[1]!, state: 'provisioning', endpoint: fresh.endpoint }
    let changes = 0
    const observations = startObservations(fleet, Date.now, () => changes++, 'router-key-0123456789abcdef')
    const askedBefore = fresh.asked
    const report = (isRunning: boolean): HostReport => ({
      host: 'local',
      at: new Date().toISOString(),
      order: null,
      cells: [
        {
          ...{ id: coming.id, slot: coming.slot, is_running: isRunning, endpoint: fresh.endpoint },
          ...{ stores: [], components: [], holdings: null, limits: '' },
        },
      ],
    })
    try {
      observations.hosts.accept(report(false))
      observations.watch([active, coming])
      const rounds = known.asked + 3
      await waitFor('some rounds', SOON_MS, () => known.asked >= rounds)
      assert.equal(fresh.asked, askedBefore)
      assert.equal(changes, 1)
      observations.hosts.accept(report(true))
      observations.watch([active, coming])
      await waitFor('its answer', SOON_MS, () => changes === 2)
      // What the change means is for the next look to say, with all others that came.
      assert.equal(observations.healthOf(coming.slot).verdict, 'unknown')
      observations.watch([active, coming])
      assert.equal(observations.healthOf(coming.slot).verdict, 'healthy')
    } finally {
      await observations.stop()
    }
  })
})
