import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../store/queue.ts'
import { createRecorder } from './recorder.ts'

const outcome = (id: string): Outcome => ({
  tenant: 'acme',
  id,
  lease: 'lease',
  number: 1,
  status: 'delivered',
  delayMs: 0,
  attempt: undefined,
})

test('while one group is written the next gathers; each outcome is written once', async () => {
  const groups: string[][] = []
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const recorder = createRecorder(
    async (group) => {
      groups.push(group.map(({ id }) => id))
      await gates[groups.length - 1]?.promise
    },
    (error) => assert.ifError(error),
  )
  const first = recorder.record(outcome('a'))
  await Promise.resolve()
  await Promise.resolve()
  const rest = [recorder.record(outcome('b')), recorder.record(outcome('c'))]
  assert.deepEqual(groups, [['a']])
  gates[0]!.resolve()
  await first
  gates[1]!.resolve()
  await Promise.all(rest)
  assert.deepEqual(groups, [['a'], ['b', 'c']])
})

test('a group that cannot be written is given up, said, and does not stop the next', async () => {
  const lost: number[] = []
  let isDown = true
  const written: string[] = []
  const recorder = createRecorder(
    async (group) => {
      if (isDown) throw new Error('down')
      written.push(...group.map(({ id }) => id))
    },
    (_error, count) => lost.push(count),
  )
  await recorder.record(outcome('a'))
  isDown = false
  await recorder.record(outcome('b'))
  assert.deepEqual(lost, [1])
  assert.deepEqual(written, ['b'])
})
