import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CellState, PROBLEM_CODES } from '@cellplane/contract'
import { type CellEvent, type CellFacts, transition } from './lifecycle.ts'
import { nextFreeSlot } from './slots.ts'
import { sharedStores } from './stores.ts'

const EMPTY = { undelivered: 0, retained: 0, retained_until: null }
const GOOD: CellFacts = {
  cell: 'cell-1',
  isServing: true,
  blockedBecause: null,
  activeCells: 4,
  shardSize: 2,
  isLeftByRouters: true,
  inFlight: 0,
  holdings: EMPTY,
  mustReportHoldings: true,
  force: false,
}

/** The next state, or the codes of the refusal. */
function after(state: CellState, event: CellEvent, facts: Partial<CellFacts> = {}): string {
  const result = transition(state, event, { ...GOOD, ...facts })
  if (result.ok) return result.value
  for (const { code } of result.problems) assert.ok(code in PROBLEM_CODES, code)
  return result.problems.map((p) => p.code).join()
}

describe('the lifecycle', () => {
  test('leads from provisioning to retired', () => {
    const events: CellEvent[] = ['become-ready', 'activate', 'drain', 'finish-drain', 'retire']
    const states = ['provisioning']
    for (const event of events) states.push(after(states.at(-1) as CellState, event))
    assert.deepEqual(states, ['provisioning', 'ready', 'active', 'draining', 'drained', 'retired'])
  })

  test('leads back from draining and drained to active', () => {
    assert.equal(after('draining', 'undrain'), 'active')
    assert.equal(after('drained', 'undrain'), 'active')
  })

  test('has no other step', () => {
    const STATES: CellState[] = ['provisioning', 'ready', 'active', 'draining', 'drained', 'retired']
    const EVENTS: CellEvent[] = ['become-ready', 'activate', 'drain', 'finish-drain', 'undrain', 'retire']
    const steps = EVENTS.flatMap((event) =>
      STATES.filter((state) => after(state, event) !== 'CONFLICT').map((state) => `${state} ${event}`),
    )
    assert.deepEqual(steps, [
      'provisioning become-ready',
      'ready activate',
      'active drain',
      'draining finish-drain',
      'draining undrain',
      'drained undrain',
      'drained retire',
    ])
  })

  test('places no cell that does not serve, or that is blocked', () => {
    assert.equal(after('provisioning', 'become-ready', { isServing: false }), 'CONFLICT')
    assert.equal(after('ready', 'activate', { blockedBecause: 'it shares a store' }), 'CONFLICT')
    assert.equal(after('drained', 'undrain', { blockedBecause: 'it shares a store' }), 'CONFLICT')
  })

  test('keeps as many active cells as a shard has', () => {
    assert.equal(after('active', 'drain', { activeCells: 3 }), 'draining')
    assert.equal(after('active', 'drain', { activeCells: 2 }), 'CONFLICT')
  })

  test('waits for routers, requests in flight and work before a cell is drained', () => {
    assert.equal(after('draining', 'finish-drain', { isLeftByRouters: false }), 'CONFLICT')
    assert.equal(after('draining', 'finish-drain', { inFlight: 1 }), 'CONFLICT')
    assert.equal(
      after('draining', 'finish-drain', { holdings: { ...EMPTY, undelivered: 3 } }),
      'CELL_HOLDS_WORK',
    )
    assert.equal(after('draining', 'finish-drain', { holdings: null }), 'drained')
  })

  test('retires no cell with undelivered work, not even with force', () => {
    const holdings = { ...EMPTY, undelivered: 1 }
    assert.equal(after('drained', 'retire', { holdings }), 'CELL_HOLDS_WORK')
    assert.equal(after('drained', 'retire', { holdings, force: true }), 'CELL_HOLDS_WORK')
  })

  test('retires a cell with data, or with unknown holdings, only with force', () => {
    const holdings = { undelivered: 0, retained: 5, retained_until: '2026-02-01T00:00:00Z' }
    assert.equal(after('drained', 'retire', { holdings }), 'CELL_HOLDS_DATA')
    assert.equal(after('drained', 'retire', { holdings, force: true }), 'retired')
    assert.equal(after('drained', 'retire', { holdings: null }), 'CELL_HOLDINGS_UNKNOWN')
    assert.equal(after('drained', 'retire', { holdings: null, force: true }), 'retired')
    assert.equal(after('drained', 'retire', { holdings: null, mustReportHoldings: false }), 'retired')
  })

  test('says what to do', () => {
    const result = transition('active', 'retire', GOOD)
    assert.ok(!result.ok)
    assert.equal(
      result.problems[0]!.message,
      'cell "cell-1" is active; retire needs it to be drained; drain it first',
    )
  })
})

test('a slot is never used again', () => {
  assert.equal(nextFreeSlot([]), 0)
  assert.equal(nextFreeSlot([0, 5, 2]), 6)
  assert.throws(() => nextFreeSlot([65_534]), RangeError)
})

describe('a store', () => {
  const cell = (slot: number, location: string, identity?: string, state: CellState = 'active') => ({
    id: `cell-${slot}`,
    slot,
    state,
    stores: [{ kind: 'postgres', location, ...(identity === undefined ? {} : { identity }) }],
  })
  const paths = (...cells: ReturnType<typeof cell>[]) => sharedStores(cells).map((p) => `${p.code} ${p.path}`)

  test('of its own is no problem', () => {
    assert.deepEqual(
      paths(cell(1, 'a:1/app', 'x/app'), cell(2, 'a:2/app', 'y/app'), cell(3, 'a:1/other', 'x/other')),
      [],
    )
  })

  test('is shared when its place is, and the later cell is told', () => {
    assert.deepEqual(paths(cell(2, 'a:1/app'), cell(1, 'a:1/app')), ['STORES_SHARED cell-2.stores[0]'])
  })

  test('is shared when it names itself the same under two addresses', () => {
    assert.deepEqual(paths(cell(1, 'a:1/app', 'x/app'), cell(2, 'b:1/app', 'x/app')), [
      'STORES_SHARED cell-2.stores[0]',
    ])
  })

  test('of a retired cell is free', () => {
    assert.deepEqual(paths(cell(1, 'a:1/app', 'x', 'retired'), cell(2, 'a:1/app', 'x')), [])
  })
})
