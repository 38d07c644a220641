/** Who gets a place, whatever they wait for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWaitingRoom } from './waiting-room.ts'

test('a tenant has its places, all have the room’s, and each place that is left is given again', () => {
  const room = createWaitingRoom({ held_requests_max: 3, held_requests_per_tenant_max: 2 })
  assert.deepEqual([room.enter('a'), room.enter('a'), room.enter('a')], [true, true, false])
  assert.deepEqual([room.enter('b'), room.enter('c')], [true, false])
  room.leave('a')
  assert.deepEqual([room.enter('c'), room.enter('a')], [true, false])
  for (const tenant of ['a', 'b', 'c']) room.leave(tenant)
  assert.deepEqual([room.enter('a'), room.enter('a'), room.enter('b')], [true, true, true])
})
