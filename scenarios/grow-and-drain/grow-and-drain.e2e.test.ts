import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startFleet, type TestFleet } from '@cellplane/testing'
import { type GrowResult, growAndDrain } from './run.ts'

describe('a fleet that changes under traffic', { timeout: 220_000 }, () => {
  let fleet: TestFleet
  let result: GrowResult

  before(async () => {
    fleet = await startFleet({ cells: 4, spareCells: 1 })
    result = await growAndDrain(fleet, { requestsPerSecond: 100, drain: 'cell-001', seed: 42 })
  })
  after(() => fleet?.remove())

  test('fails no request while a cell joins and another is drained', () => {
    assert.deepEqual(result.failures, {})
  })

  test('gives the new cell its share of tenants', () => {
    assert.equal(result.added, 'cell-005')
    assert.ok(result.servedByAdded > 0)
  })

  test('refuses to retire a cell that holds records within their retention', async () => {
    await assert.rejects(
      fleet.cli('cell', 'retire', 'cell-001', '--reason', 'test'),
      /CELL_HOLDS_DATA|retention/,
    )
  })

  test('goes on answering for the drained cell’s records', async () => {
    const [cell] = (await fleet.status()).cells.filter(({ id }) => id === 'cell-001')
    assert.equal(cell?.state, 'drained')
    assert.equal(cell?.health, 'healthy')
  })
})
