import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostOrder, HostOrderCell } from '@cellplane/contract'
import { acceptOrder } from './accept-order.ts'
import { parseOrder } from './order-file.ts'

const cell = (id: string, wanted: HostOrderCell['wanted'] = 'running'): HostOrderCell => ({
  id,
  slot: 0,
  zone: 'local',
  region: 'local',
  role: 'serving',
  wanted,
  release: 'r1',
  database: 'none',
  health_path: '/healthz',
  holdings: 'none',
  retention_hours: 1,
  capacity: {},
  memory_mb: null,
  cpus: null,
})

const order = (
  epoch: number,
  version: number,
  cells = [cell('a')],
  more: Partial<HostOrder> = {},
): HostOrder => ({
  host: 'local',
  fleet: 'shop',
  epoch,
  version,
  directory: '/fleet',
  components: [],
  cells,
  tokens: null,
  ...more,
})

const verdict = (current: HostOrder | undefined, next: HostOrder): string => {
  const result = acceptOrder(current, next, 'local')
  return result.ok ? 'accepted' : result.problems[0]!.code
}

test('the first order, a newer version and a newer epoch are obeyed', () => {
  assert.equal(verdict(undefined, order(1, 1)), 'accepted')
  assert.equal(verdict(order(1, 1), order(1, 2)), 'accepted')
  assert.equal(verdict(order(1, 9), order(2, 1)), 'accepted')
})

test('an older epoch is refused however high its version, and so is an older version', () => {
  assert.equal(verdict(order(2, 1), order(1, 99)), 'ORDER_OLDER')
  assert.equal(verdict(order(2, 5), order(2, 4)), 'ORDER_OLDER')
  assert.equal(verdict(order(2, 5), order(2, 5)), 'ORDER_UNCHANGED')
})

test('an order of another host or fleet is refused', () => {
  assert.equal(verdict(undefined, order(1, 1, [], { host: 'other' })), 'ORDER_OF_OTHER_HOST')
  assert.equal(verdict(order(1, 1), order(1, 2, [cell('a')], { fleet: 'other' })), 'ORDER_OF_OTHER_FLEET')
})

test('a running cell cannot be dropped within an epoch, a stopped one can, and a new epoch may', () => {
  assert.equal(verdict(order(1, 1), order(1, 2, [])), 'ORDER_DROPS_CELLS')
  assert.equal(verdict(order(1, 1, [cell('a', 'stopped')]), order(1, 2, [])), 'accepted')
  assert.equal(verdict(order(1, 1), order(2, 1, [])), 'accepted')
})

test('garbage is refused with a problem, never thrown at', () => {
  for (const text of ['', '{', 'null', '[]', '{"host":1}', `"${'x'.repeat(5_000_000)}"`]) {
    const result = parseOrder(text)
    assert.ok(!result.ok && result.problems.length > 0, text.slice(0, 20))
  }
})
