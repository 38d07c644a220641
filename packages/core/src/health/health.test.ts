import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { judgeFleet } from './fleet.ts'
import { nextProbeState, type ProbeState, UNPROBED } from './probes.ts'
import { rampFitness } from './ramp.ts'

test('a ramp starts above nothing, rises, and ends at full', () => {
  assert.equal(rampFitness(0, 0, 10_000), 1)
  assert.equal(rampFitness(5_000, 0, 10_000), 127)
  assert.equal(rampFitness(10_000, 0, 10_000), 255)
  assert.equal(rampFitness(0, 0, 0), 255)
  assert.equal(rampFitness(0, 500, 10_000), 1)
})

describe('a probed cell', () => {
  const POLICY = { unhealthy_after: 3, healthy_after: 2 }
  /** + a success, - a failure. */
  const after = (results: string, from: ProbeState = UNPROBED) =>
    [...results].reduce(
      (state, result, i) =>
        nextProbeState(state, { isHealthy: result === '+', reason: result }, POLICY, i + 1),
      from,
    )

  test('is unknown until it was probed, and not unhealthy before enough probes failed', () => {
    assert.equal(UNPROBED.health, 'unknown')
    assert.equal(after('--').health, 'unknown')
    assert.equal(after('---').health, 'unhealthy')
    assert.equal(after('+').health, 'healthy')
    assert.equal(after('--+').health, 'healthy')
  })

  test('changes only after results in a row', () => {
    assert.equal(after('+--+--').health, 'healthy')
    assert.deepEqual(after('+---'), { health: 'unhealthy', since: 4, reason: '-', contrary: 0 })
    assert.equal(after('+---+-+').health, 'unhealthy')
    assert.deepEqual(after('+---++'), { health: 'healthy', since: 6, reason: '+', contrary: 0 })
  })

  test('keeps the reason of the last failure while it is unhealthy', () => {
    const state = nextProbeState(after('---'), { isHealthy: false, reason: '503' }, POLICY, 9)
    assert.deepEqual([state.health, state.reason, state.since], ['unhealthy', '503', 3])
  })
})

describe('the fleet', () => {
  const fleet = (healths: string) =>
    [...healths].map((health, slot) => ({
      slot,
      state: {
        ...UNPROBED,
        health: health === '+' ? 'healthy' : health === '-' ? 'unhealthy' : 'unknown',
        reason: 'refused',
      } as const,
    }))
  const judge = (healths: string) => judgeFleet(fleet(healths), { freeze_share: 0.5 })

  test('has its unhealthy cells taken out, up to the share', () => {
    assert.deepEqual(judge('+-++').unhealthy, [{ slot: 1, since: 0, reason: 'refused' }])
    assert.equal(judge('+--+').unhealthy.length, 2)
    assert.equal(judge('????').unhealthy.length, 0)
  })

  test('freezes when more than the share looks unhealthy: nobody is taken out', () => {
    const verdict = judge('---+')
    assert.deepEqual([verdict.isFrozen, verdict.unhealthy], [true, []])
    assert.match(verdict.reason, /3 of 4 cells look unhealthy/)
    assert.ok(judge('-').isFrozen)
    assert.ok(!judge('').isFrozen)
  })
})
