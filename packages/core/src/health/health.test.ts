import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { judgeFleet } from './fleet.ts'
import { createOutlierDetector, OUTLIER_POLICY, type Outcome } from './outliers.ts'
import { nextProbeState, type ProbeState, UNPROBED } from './probes.ts'
import { rampFitness } from './ramp.ts'

test('a ramp starts above nothing, rises, and ends at full', () => {
  assert.equal(rampFitness(0, 0, 10_000), 1)
  assert.equal(rampFitness(5_000, 0, 10_000), 127)
  assert.equal(rampFitness(10_000, 0, 10_000), 255)
  assert.equal(rampFitness(0, 0, 0), 255)
  assert.equal(rampFitness(0, 500, 10_000), 1)
})

describe('an outlier detector', () => {
  const POLICY = {
    ...OUTLIER_POLICY,
    failuresMax: 3,
    connectFailuresMax: 2,
    ejectionMs: 1000,
    ejectionMsMax: 3000,
    rampMs: 2000,
  }
  const cells = (count: number) => Array.from({ length: count }, (_, i) => ({ slot: 10 + i }))
  const failing = (times: number, outcome: Outcome = 'error') => Array.from({ length: times }, () => outcome)

  test('ejects a cell after enough failures in a row, and no success between them', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    for (const outcome of [...failing(2), 'ok' as const, ...failing(2)])
      assert.equal(detector.record(1, outcome, 0), null)
    assert.deepEqual(detector.record(1, 'error', 0), { index: 1, slot: 11, change: 'ejected' })
    assert.ok(detector.isEjected(1))
    assert.equal(detector.fitness(1, 0), 0)
    assert.equal(detector.fitness(0, 0), 255)
  })

  test('needs fewer failed connections than failed answers', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    detector.record(0, 'connect-failure', 0)
    assert.equal(detector.record(0, 'connect-failure', 0)?.change, 'ejected')
  })

  test('readmits a cell when its time is up, on a ramp, and forgets when the ramp is over', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    for (const outcome of failing(3)) detector.record(2, outcome, 0)
    assert.deepEqual(detector.tick(999), [])
    assert.deepEqual(detector.tick(1000), [{ index: 2, slot: 12, change: 'readmitted' }])
    assert.equal(detector.fitness(2, 1000), 1)
    assert.equal(detector.fitness(2, 2000), 127)
    detector.tick(3000)
    assert.equal(detector.fitness(2, 3000), 255)
    assert.equal(detector.record(2, 'error', 3001), null)
  })

  test('ejects a cell on probation at its first failure, for twice the time, up to a limit', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    for (const outcome of failing(3)) detector.record(0, outcome, 0)
    let now = 0
    for (const timeMs of [1000, 2000, 3000, 3000]) {
      assert.deepEqual(detector.tick(now + timeMs - 1), [])
      now += timeMs
      assert.equal(detector.tick(now).length, 1, `after ${timeMs} ms`)
      assert.equal(detector.record(0, 'error', now)?.change, 'ejected')
    }
  })

  test('ejects at most the share of the policy, though always one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), (count) => {
        const detector = createOutlierDetector(POLICY, cells(count))
        for (const outcome of failing(5)) for (let i = 0; i < count; i++) detector.record(i, outcome, 0)
        assert.equal(detector.ejectedCount, Math.max(1, Math.floor(count / 2)))
      }),
      { numRuns: 20 },
    )
  })

  test('counts what it ejects and readmits rightly, whatever happens', () => {
    const event = fc.record({
      index: fc.nat(3),
      outcome: fc.constantFrom<Outcome>('ok', 'error', 'connect-failure'),
      passMs: fc.nat(800),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const detector = createOutlierDetector(POLICY, cells(4))
        let now = 0
        for (const { index, outcome, passMs } of events) {
          now += passMs
          detector.tick(now)
          detector.record(index, outcome, now)
          const ejected = [0, 1, 2, 3].filter((i) => detector.isEjected(i)).length
          assert.equal(detector.ejectedCount, ejected)
          assert.ok(ejected <= 2)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('hands over what it knows when cells come and go', () => {
    const before = createOutlierDetector(POLICY, cells(4))
    for (const outcome of failing(3)) before.record(3, outcome, 0)
    before.record(2, 'error', 0)
    before.record(2, 'error', 0)
    const after = createOutlierDetector(POLICY, [{ slot: 99 }, { slot: 13 }, { slot: 12 }], before)
    assert.deepEqual(
      [0, 1, 2].map((i) => after.isEjected(i)),
      [false, true, false],
    )
    assert.equal(after.ejectedCount, 1)
    assert.equal(after.tick(1000)[0]?.slot, 13)
    assert.equal(after.record(2, 'error', 1000)?.slot, 12)
  })
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
