import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLoop } from './loop.ts'

const FAR_OFF_MS = 60_000

test('a wake during a run is one more run, and runs never overlap', async () => {
  const stopping = new AbortController()
  let runs = 0
  let isRunning = false
  const loop = startLoop({
    intervalMs: FAR_OFF_MS,
    signal: stopping.signal,
    async run() {
      assert.ok(!isRunning)
      isRunning = true
      runs++
      if (runs === 1) {
        queueMicrotask(() => {
          loop.wake()
          loop.wake()
        })
      }
      await new Promise((resolve) => setImmediate(resolve))
      isRunning = false
    },
  })
  await loop.settle()
  assert.equal(runs, 2, 'three wishes during the first run, one run for all')
  stopping.abort()
  await loop.ended
  await loop.settle()
})

test('settle waits for a whole run that began later', async () => {
  const stopping = new AbortController()
  let value = 0
  const seen: number[] = []
  const loop = startLoop({
    intervalMs: FAR_OFF_MS,
    signal: stopping.signal,
    async run() {
      const before = value
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(before)
    },
  })
  value = 1
  await loop.settle()
  assert.equal(seen.at(-1), 1)
  stopping.abort()
  await loop.ended
})
