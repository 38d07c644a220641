import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { RouterReport, TopologyBase } from '@cellplane/contract'
import { buildSnapshot } from '@cellplane/core'
import type { RoutingVectors } from '@cellplane/core/routing-vectors'
import type { HeldBase } from '../topology/published.ts'
import { createRouterReports } from './router-reports.ts'
import { createRouterSharing } from './router-shares.ts'

const FILE = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
const [fleet] = (JSON.parse(readFileSync(FILE, 'utf8')) as RoutingVectors).fleets
const signature = { algorithm: 'Ed25519' as const, key_id: 'none', value: 'none' }

const RATE = 200
const IN_FLIGHT = 40
/** A tenant's cap. */
const CAP = RATE / fleet!.base.shard_size
const SLOT = fleet!.base.cells[0]!.slot

type Counts = {
  tenants?: Record<string, number>
  cell?: number
  inFlight?: number
  /** Of a release that tells no arrivals. */
  isOld?: boolean
}

/** What routers hear, in virtual time, of a fleet whose cells all declare the same ceilings. */
function createGround(
  capacity: Record<string, number> = { requests_per_second: RATE, in_flight: IN_FLIGHT },
) {
  const cells = fleet!.base.cells.map((cell) => ({ ...cell, capacity }))
  const built = buildSnapshot({ ...fleet!.base, cells, signature } as TopologyBase)
  assert.ok(built.ok)
  const clock = { now: 1_000_000 }
  const lease = { isHeld: true }
  const routers = createRouterReports(() => clock.now)
  const sharing = createRouterSharing({
    published: { base: () => ({ snapshot: built.value }) as HeldBase },
    routers,
    isLeader: () => lease.isHeld,
    now: () => clock.now,
  })

  function report(router: string, { tenants = {}, cell = 0, inFlight = 0, isOld = false }: Counts) {
    const one = {
      slot: SLOT,
      requests: 0,
      errors: 0,
      connect_failures: 0,
      in_flight: inFlight,
      is_ejected: false,
    }
    const body: RouterReport = {
      router,
      started_at: '2026-01-01T00:00:00.000Z',
      at: '2026-01-01T00:00:00.000Z',
      base: null,
      overlay: null,
      refused_documents: 0,
      last_refusal: null,
      cells: [one],
      tenants: [],
    }
    if (!isOld) {
      body.arrivals = {
        ms: 1_000,
        cells: [{ slot: SLOT, requests: cell }],
        tenants: Object.entries(tenants).map(([tenant, requests]) => ({ tenant, requests })),
      }
    }
    assert.ok(routers.accept(body))
    return sharing.answer(body)
  }

  /** So many seconds in which each of the routers reports the same again; their last answers. */
  function run(seconds: number, reports: Record<string, Counts>) {
    let answers: Record<string, ReturnType<typeof report>> = {}
    for (let second = 0; second < seconds; second++) {
      clock.now += 1_000
      answers = Object.fromEntries(
        Object.entries(reports).map(([name, counts]) => [name, report(name, counts)]),
      )
    }
    return answers
  }

  return { lease, run }
}

const tenantShares = (answer: { tenants: { tenant: string; share: number }[] } | undefined) =>
  Object.fromEntries(answer!.tenants.map(({ tenant, share }) => [tenant, Number(share.toFixed(3))]))

describe('the answer to a router’s report', () => {
  test('names its share of what is near its limit, and nothing else', () => {
    const { run } = createGround()
    const answers = run(10, {
      a: { tenants: { busy: 3 * CAP, modest: CAP / 10 }, cell: 3 * RATE },
      b: { tenants: { busy: CAP, modest: CAP / 10 }, cell: RATE },
    })
    assert.deepEqual(
      [answers['a'], answers['b']].map((answer) => [tenantShares(answer), answer!.cells, answer!.routers]),
      [
        [{ busy: 0.75 }, [{ slot: SLOT, share: 0.75 }], 2],
        [{ busy: 0.25 }, [{ slot: SLOT, share: 0.25 }], 2],
      ],
    )
    assert.equal(answers['a']!.valid_seconds, 10)
  })

  test('divides a cell that is full by what is under way, however few requests arrive', () => {
    const { run } = createGround({ in_flight: IN_FLIGHT })
    const full = { cell: 6, inFlight: IN_FLIGHT / 2 }
    assert.deepEqual(run(10, { a: full, b: full })['a']!.cells, [{ slot: SLOT, share: 0.5 }])
  })

  test('divides nothing where nothing is declared', () => {
    const { run } = createGround({})
    const { cells, tenants, valid_seconds } = run(10, { a: { cell: 1e6, tenants: { busy: 1e6 } } })['a']!
    assert.deepEqual([cells, tenants, valid_seconds], [[], [], 10])
  })

  test('says nothing until every router had the time to report', () => {
    const { run } = createGround()
    assert.equal(run(2, { a: { cell: RATE } })['a']!.valid_seconds, 0)
    assert.equal(run(2, { a: { cell: RATE } })['a']!.valid_seconds, 10)
  })

  test('says nothing without the lease, and begins anew with the next one', () => {
    const { run, lease } = createGround()
    const busy = { a: { tenants: { busy: 3 * CAP } }, b: {} }
    run(10, busy)
    lease.isHeld = false
    assert.deepEqual(run(1, busy)['a'], { routers: 0, cells: [], tenants: [], valid_seconds: 0 })
    lease.isHeld = true
    assert.equal(run(1, busy)['a']!.valid_seconds, 0)
    assert.equal(tenantShares(run(10, busy)['a'])['busy'], 1)
  })

  test('divides between those who report: one that is silent gives its share to the others, one that joins gets one', () => {
    const { run } = createGround()
    const busy = { tenants: { busy: CAP } }
    assert.equal(tenantShares(run(10, { a: busy, b: busy, c: busy })['a'])['busy'], 0.333)
    const left = run(10, { a: busy, b: busy })['a']!
    assert.equal(left.routers, 2)
    assert.equal(tenantShares(left)['busy'], 0.5)
    assert.equal(tenantShares(run(10, { a: busy, b: busy, d: busy })['d'])['busy'], 0.333)
  })

  test('divides without a router of an older release, which takes no share', () => {
    const { run } = createGround()
    const answers = run(10, { a: { tenants: { busy: 3 * CAP } }, old: { isOld: true } })
    assert.equal(answers['a']!.routers, 1)
    assert.equal(answers['old']!.valid_seconds, 0)
  })
})
