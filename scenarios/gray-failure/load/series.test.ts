import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secondsOf } from './series.ts'

const action = (tenant: string, startedAtMs: number, durationMs: number, outcome = 'ok') => ({
  tenant,
  operation: 'action',
  startedAtMs,
  durationMs,
  outcome,
})
const arrived = (n: number) => ({ arrived: n, ok: n, broken: 0, refused: 0 })

test('an action counts in the second in which it began, a failed tenant from there on, a quiet second as nothing', () => {
  const seconds = secondsOf(
    {
      startedAtMs: 5_000,
      actions: [
        action('a', 5_000, 10),
        action('b', 5_999, 2_500, '500'),
        action('a', 7_000, 20, 'late'),
        action('b', 7_001, 30),
      ],
      callsPerAction: 2,
      callsBySecond: [8, 1, 4],
      counts: [[arrived(5), arrived(1)], []],
      tenants: 4,
    },
    3,
  )
  assert.deepEqual(
    seconds.map(({ actions, okRatio, tenantsFailedShare }) => [actions, okRatio, tenantsFailedShare]),
    [
      [2, 0.5, 0.25],
      [0, null, 0.25],
      [2, 0.5, 0.5],
    ],
  )
  assert.deepEqual(
    seconds.map(({ amplification, p99Ms, arrived: at }) => [amplification, p99Ms, at]),
    [
      [2, 2_500, [5, 0]],
      [null, null, [1, 0]],
      [1, 30, [0, 0]],
    ],
  )
})
