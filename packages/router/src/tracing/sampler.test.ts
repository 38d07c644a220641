import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSampler } from './tracing.ts'

const idOf = (digits: string) => 'a'.repeat(24) + digits

test('a share of traces is kept, told by the last digits of their ids', () => {
  const samples = createSampler(0.25)
  assert.deepEqual(['00000000', '3fffffff', '40000000', 'ffffffff'].map(idOf).map(samples), [
    true,
    true,
    false,
    false,
  ])
  const hundredth = createSampler(0.01)
  const kept = Array.from({ length: 100_000 }, (_, i) =>
    idOf(
      Math.floor((i * 2 ** 32) / 100_000)
        .toString(16)
        .padStart(8, '0'),
    ),
  ).filter(hundredth)
  assert.ok(Math.abs(kept.length - 1_000) <= 1, `${kept.length}`)
})

test('all are kept, or none', () => {
  for (const digits of ['00000000', 'ffffffff']) {
    assert.equal(createSampler(1)(idOf(digits)), true)
    assert.equal(createSampler(0)(idOf(digits)), false)
  }
})
