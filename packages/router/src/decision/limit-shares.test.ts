import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouterShares } from '@cellplane/contract'
import { createCells } from '../cells/cells.ts'
import { createLogger } from '../log.ts'
import { createLimitShares } from './limit-shares.ts'
import { createTenants } from './tenants.ts'

const TOLD: RouterShares = {
  routers: 4,
  cells: [{ slot: 3, share: 0.4 }],
  tenants: [{ tenant: 'acme', share: 0.25 }],
  valid_seconds: 10,
}
const START = 1_000_000

/** Shares, the clock they go by, and what they put in force. */
function createGround() {
  const clock = { now: START }
  const inForce = {
    cells: new Map() as ReadonlyMap<number, number>,
    tenants: new Map() as ReadonlyMap<string, number>,
  }
  const shares = createLimitShares(
    {
      cells: {
        setShares(next) {
          inForce.cells = next
        },
      },
      tenants: {
        setShares(next) {
          inForce.tenants = next
        },
      },
    },
    () => clock.now,
  )
  const tickAt = (seconds: number) => {
    clock.now = START + seconds * 1_000
    shares.tick()
    return { cell: inForce.cells.get(3), tenant: inForce.tenants.get('acme') }
  }
  return { shares, inForce, tickAt }
}

describe('shares of limits', () => {
  test('are whole until they are told, and are then in force at once', () => {
    const { shares, inForce } = createGround()
    assert.equal(shares.inForce === null, true)
    shares.take(TOLD)
    assert.deepEqual(
      [...inForce.cells, ...inForce.tenants],
      [
        [3, 0.4],
        ['acme', 0.25],
      ],
    )
    assert.equal(shares.inForce?.routers, 4)
  })

  test('are replaced by what is told next: what is not named any more is whole', () => {
    const { shares, inForce } = createGround()
    shares.take(TOLD)
    shares.take({ ...TOLD, cells: [], tenants: [{ tenant: 'globex', share: 0.5 }] })
    assert.deepEqual([...inForce.cells, ...inForce.tenants], [['globex', 0.5]])
  })

  test('are never under the floor of so many routers', () => {
    const { shares, inForce } = createGround()
    shares.take({ ...TOLD, tenants: [{ tenant: 'acme', share: 0 }] })
    assert.equal(inForce.tenants.get('acme'), 0.05)
  })

  test('are kept by an answer of who does not divide', () => {
    const { shares, inForce } = createGround()
    shares.take(TOLD)
    shares.take({ routers: 0, cells: [], tenants: [], valid_seconds: 0 })
    assert.equal(inForce.tenants.get('acme'), 0.25)
  })

  test('are kept for as long as they are valid, then rise to the whole in a minute', () => {
    const { shares, inForce, tickAt } = createGround()
    shares.take(TOLD)
    assert.deepEqual(tickAt(10), { cell: 0.4, tenant: 0.25 })
    assert.deepEqual(tickAt(40), { cell: 0.7, tenant: 0.625 })
    assert.equal(shares.inForce?.toldAt, START)
    tickAt(70)
    assert.equal(shares.inForce, null)
    assert.equal(inForce.cells.size + inForce.tenants.size, 0)
  })

  test('that rise are told anew when somebody divides again', () => {
    const { shares, inForce, tickAt } = createGround()
    shares.take(TOLD)
    tickAt(60)
    shares.take(TOLD)
    assert.equal(inForce.tenants.get('acme'), 0.25)
    assert.deepEqual(tickAt(69), { cell: 0.4, tenant: 0.25 })
  })
})

describe('a tenant', () => {
  test('that comes after its share was told has it, and the whole when it is named no more', () => {
    const tenants = createTenants(10)
    const known = tenants.of('known')
    tenants.setShares(
      new Map([
        ['known', 0.5],
        ['later', 0.25],
      ]),
    )
    const later = tenants.of('later')
    assert.deepEqual([known.share, later.share, tenants.of('other').share], [0.5, 0.25, 1])
    tenants.setShares(new Map([['later', 0.75]]))
    assert.deepEqual([known.share, later.share], [1, 0.75])
  })

  test('is reported by what came before its cap, the most first, and counted anew then', () => {
    const tenants = createTenants(10)
    for (const [key, count] of [
      ['a', 1],
      ['b', 3],
      ['c', 2],
    ] as const)
      tenants.of(key).arrived = count
    assert.deepEqual(
      [...tenants.takeArrivals(2)],
      [
        ['b', 3],
        ['c', 2],
      ],
    )
    assert.equal(tenants.takeArrivals(2).size, 0)
  })
})

test('a cell that is told no share has none to lose', () => {
  const cells = createCells(
    'fleet',
    'key',
    { sockets_per_cell_max: 8, adaptive: 'on' },
    createLogger(() => {}, {}),
  )
  cells.setShares(new Map([[7, 0.5]]))
  assert.equal(cells.takeArrivals().size, 0)
})
