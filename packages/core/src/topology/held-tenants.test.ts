import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Override, TopologyOverlay } from '@cellplane/contract'
import { exampleBase, unwrap } from './example-fleet.ts'
import { HELD_ALWAYS_MAX, HOLD_MS_MAX, heldTenants, NOBODY_HELD } from './held-tenants.ts'
import { buildSnapshot, type Snapshot } from './snapshot.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const UNTIL = NOW + 10_000

/** So many tenants with a home of their own, `t-0` and on, at that generation. */
function snapshotOf(assigned: number, generation = 1): Snapshot {
  const overrides = Array.from(
    { length: assigned },
    (_, i): Override => ({ tenant: `t-${i}`, cells: [0, 1], reason: 'assignment', generation }),
  )
  const signature = { key_id: 'k', algorithm: 'Ed25519' as const, value: '' }
  return unwrap(buildSnapshot({ ...exampleBase({ overrides }), signature }))
}

const overlayOf = (tenants: readonly string[], until = UNTIL) =>
  ({
    held: tenants.map((tenant) => ({ tenant, until: new Date(until).toISOString() })),
  }) as unknown as TopologyOverlay

const names = (count: number) => Array.from({ length: count }, (_, i) => `t-${i}`)

test('an overlay holds whom it names, until it names them no longer', () => {
  const snapshot = snapshotOf(1)
  const held = heldTenants(snapshot, overlayOf(['t-0', 'b']), NOBODY_HELD, NOW)
  assert.deepEqual([...held.until.entries()], Object.entries({ 't-0': UNTIL, b: UNTIL }))
  assert.deepEqual([...heldTenants(snapshot, overlayOf(['b']), held, NOW).until.keys()], ['b'])
  assert.equal(heldTenants(snapshot, null, held, NOW), NOBODY_HELD)
  assert.equal(heldTenants(snapshot, {} as TopologyOverlay, held, NOW), NOBODY_HELD)
})

test('a base with a higher generation ends the hold, also when the next overlay still has it', () => {
  const overlay = overlayOf(['t-0', 't-1'])
  const before = heldTenants(snapshotOf(2, 1), overlay, NOBODY_HELD, NOW)
  assert.equal(before.until.size, 2)
  assert.equal(heldTenants(snapshotOf(2, 1), overlay, before, NOW).until.size, 2)
  const switched = heldTenants(snapshotOf(2, 2), overlay, before, NOW)
  assert.equal(switched.until.size, 0)
  assert.equal(heldTenants(snapshotOf(2, 2), overlayOf(['t-0', 't-1']), switched, NOW).until.size, 0)
  // It is another hold, for another switch, once it was gone in between.
  const released = heldTenants(snapshotOf(2, 2), overlayOf(['t-1']), switched, NOW)
  const again = heldTenants(snapshotOf(2, 2), overlay, released, NOW)
  assert.deepEqual([...again.until.keys()], ['t-0'])
})

test('a hold ends at the latest a set time after it was first seen, whatever it says', () => {
  const endless = overlayOf(['a'], Date.parse('2999-01-01T00:00:00Z'))
  const first = heldTenants(snapshotOf(1), endless, NOBODY_HELD, NOW)
  const later = heldTenants(snapshotOf(1), endless, first, NOW + 20_000)
  assert.equal(first.until.get('a'), NOW + HOLD_MS_MAX)
  assert.equal(later.until.get('a'), NOW + HOLD_MS_MAX)
})

test('an overlay that holds a large part of all who have an assigned home is ignored as a whole', () => {
  const held = (count: number, assigned: number) =>
    heldTenants(snapshotOf(assigned), overlayOf(names(count)), NOBODY_HELD, NOW)
  assert.equal(held(HELD_ALWAYS_MAX, 1).until.size, HELD_ALWAYS_MAX)
  assert.equal(held(HELD_ALWAYS_MAX + 1, 40).until.size, HELD_ALWAYS_MAX + 1)
  const { base } = snapshotOf(20)
  assert.ok(base.limits.unhealthy_share_max * 20 < HELD_ALWAYS_MAX + 1)
  const lie = held(HELD_ALWAYS_MAX + 1, 20)
  assert.equal(lie.until.size, 0)
  assert.match(lie.ignoredBecause, /^17 tenants are held, of 20 whose home is assigned/)
})
