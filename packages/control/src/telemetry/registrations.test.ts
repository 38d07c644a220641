/** Since when cells are registered, by an audit trail of several pages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { AUDIT, sequenceKey } from '../store/collections.ts'
import { createRegistrations } from './registrations.ts'

const START = Date.UTC(2026, 0, 1)

test('a cell is registered when the trail says so, else before the trail begins; odd entries are passed by', async () => {
  const memory = createMemoryStore()
  const put = (id: number, action: string, subject: string, reason = 'x') =>
    memory.put(AUDIT, sequenceKey(id), {
      ...{ id: sequenceKey(id), at: new Date(START + id).toISOString(), actor: 'a', action, subject, reason },
    })
  let asked = 0
  const registrations = createRegistrations({
    ...memory,
    async list(collection, page) {
      asked++
      const { rows } = await memory.list(collection, page)
      const isBad = ({ key }: { key: string }) => key === sequenceKey(1_000) || key === sequenceKey(1_500)
      const invalid = rows.filter(isBad).map(({ key }) => ({ table: collection.table, key, problems: [] }))
      return { rows: rows.filter((row) => !isBad(row)), invalid }
    },
  })
  assert.equal((await registrations.since())('cell-001'), Number.NEGATIVE_INFINITY)

  for (let id = 10; id <= 1_500; id++) await put(id, 'tenant.pin', 'acme', 'a\u0000b \ud800')
  await put(20, 'cell.register', 'cell-002')
  await put(1_200, 'cell.add', 'cell-003')
  await put(1_300, 'cell.drain', 'cell-004')
  asked = 0
  const [since] = await Promise.all([registrations.since(), registrations.since()])
  const found = ['cell-001', 'cell-002', 'cell-003', 'cell-004'].map((cell) => since(cell) - START)
  assert.deepEqual(found, [10, 20, 1_200, 10])
  assert.equal(asked, 2)

  await put(1_501, 'cell.add', 'cell-005')
  assert.equal((await registrations.since())('cell-005') - START, 1_501)
  assert.equal(asked, 3)
})
