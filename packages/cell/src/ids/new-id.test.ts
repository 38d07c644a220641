import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slotOfId } from '@cellplane/contract/cell'
import { newId } from './new-id.ts'

test('an id names its cell, is unique, and sorts by time', () => {
  const now = Date.parse('2026-11-21T10:00:00Z')
  const ids = Array.from({ length: 1000 }, (_, i) => newId('ntf', 35, now + i))
  assert.equal(new Set(ids).size, ids.length)
  assert.deepEqual([...ids].sort(), ids)
  for (const id of ids) assert.equal(slotOfId(id), 35)
  assert.notEqual(newId('ntf', 35, now), newId('ntf', 35, now))
})
