import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createOutlierDetector, OUTLIER_POLICY, type Outcome, type OutlierDetector } from './outliers.ts'

const POLICY = {
  ...OUTLIER_POLICY,
  failuresMax: 3,
  connectFailuresMax: 2,
  ejectionMs: 1000,
  ejectionMsMax: 3000,
  rampMs: 2000,
}
const ejectedFor = (why: string, index: number) => ({ index, slot: 10 + index, change: 'ejected', why })
const cells = (count: number) => Array.from({ length: count }, (_, i) => ({ slot: 10 + i }))

/** So many errors in a row, each of another caller. */
function fail(detector: OutlierDetector, index: number, times: number, now = 0) {
  return Array.from({ length: times }, (_, caller) => detector.record(index, 'error', caller, now)).at(-1)
}

describe('failures in a row', () => {
  test('eject a cell when there are enough, and no success between them', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    assert.equal(fail(detector, 1, 2), null)
    detector.record(1, 'ok', 0, 0)
    assert.deepEqual(fail(detector, 1, 3), ejectedFor('failures-in-a-row', 1))
    assert.ok(detector.isEjected(1))
    assert.equal(detector.fitness(1, 0), 0)
    assert.equal(detector.fitness(0, 0), 255)
  })

  test('of one caller count for half of what is enough', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    for (let i = 0; i < 100; i++) assert.equal(detector.record(0, 'error', 7, 0), null)
    assert.equal(detector.record(0, 'error', 8, 0)?.change, 'ejected')
  })

  test('that are failed connections are needed fewer, whosever they are', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    assert.equal(detector.record(0, 'connect-failure', 7, 0), null)
    assert.deepEqual(detector.record(0, 'connect-failure', 7, 0), ejectedFor('connect-failures', 0))
  })

  test('eject a cell on probation when they are two callers’, or one connection, for twice the time each', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    fail(detector, 0, 3)
    let now = 0
    for (const [round, timeMs] of [1000, 2000, 3000, 3000].entries()) {
      assert.deepEqual(detector.tick(now + timeMs - 1), [])
      now += timeMs
      assert.equal(detector.tick(now).length, 1, `after ${timeMs} ms`)
      for (let i = 0; i < 10; i++) assert.equal(detector.record(0, 'error', 7, now), null)
      const outcome = round === 0 ? 'connect-failure' : 'error'
      assert.equal(detector.record(0, outcome, 8, now)?.change, 'ejected')
    }
  })
})

describe('a cell that comes back', () => {
  test('does so when its time is up, on a ramp, and its ejections are forgotten when that is over', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    fail(detector, 2, 3)
    assert.deepEqual(detector.tick(999), [])
    assert.deepEqual(detector.tick(1000), [{ index: 2, slot: 12, change: 'readmitted' }])
    assert.equal(detector.fitness(2, 1000), 1)
    assert.equal(detector.fitness(2, 2000), 127)
    detector.tick(3000)
    assert.equal(detector.fitness(2, 3000), 255)
    assert.equal(fail(detector, 2, 2, 3001), null)
    assert.equal(fail(detector, 2, 1, 3001)?.change, 'ejected')
    assert.equal(detector.tick(4001).length, 1)
  })

  test('is judged by what it does from then on', () => {
    const detector = createOutlierDetector({ ...OUTLIER_POLICY, failuresMax: 100 }, cells(2))
    const load = (ratio: number, now: number) => {
      for (let i = 0; i < 100; i++) {
        detector.record(0, 'ok', i, now)
        detector.record(1, i < 100 * ratio ? 'ok' : 'error', i, now)
      }
    }
    load(0.5, 0)
    assert.deepEqual(detector.tick(0), [ejectedFor('success-rate', 1)])
    load(0, 500)
    assert.equal(detector.tick(1000)[0]?.change, 'readmitted')
    load(1, 1100)
    assert.deepEqual(detector.tick(1200), [])
  })

  test('is let in early when so many cells left that more than the share is out', () => {
    const before = createOutlierDetector(POLICY, cells(4))
    fail(before, 2, 3, 0)
    fail(before, 3, 3, 500)
    const after = createOutlierDetector(POLICY, [{ slot: 12 }, { slot: 13 }], before)
    assert.deepEqual(after.tick(600), [{ index: 0, slot: 12, change: 'readmitted' }])
    assert.equal(after.ejectedCount, 1)
  })
})

test('what is known is handed over when cells come and go', () => {
  const before = createOutlierDetector(POLICY, cells(4))
  fail(before, 3, 3)
  fail(before, 2, 2)
  const after = createOutlierDetector(
    POLICY,
    [{ slot: 99 }, { slot: 13 }, { slot: 12 }, { slot: 98 }],
    before,
  )
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => after.isEjected(i)),
    [false, true, false, false],
  )
  assert.equal(after.ejectedCount, 1)
  assert.equal(after.record(2, 'error', 9, 500)?.slot, 12)
  assert.equal(after.tick(1000)[0]?.slot, 13)
})

describe('the share that may be out', () => {
  test('is that of the policy, though always one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), (count) => {
        const detector = createOutlierDetector(POLICY, cells(count))
        for (let i = 0; i < count; i++) fail(detector, i, 5)
        assert.equal(detector.ejectedCount, Math.max(1, Math.floor(count / 2)))
      }),
      { numRuns: 20 },
    )
  })

  test('counts what the control plane took out', () => {
    const detector = createOutlierDetector(POLICY, cells(4))
    detector.setMarked(Uint8Array.of(1, 1, 0, 0))
    assert.equal(fail(detector, 2, 5), null)
    detector.setMarked(Uint8Array.of(1, 0, 0, 0))
    assert.equal(fail(detector, 2, 1)?.change, 'ejected')
    assert.equal(fail(detector, 3, 5), null)
  })

  test('is never exceeded, and counted rightly, whatever happens', () => {
    const event = fc.record({
      index: fc.nat(5),
      outcome: fc.constantFrom<Outcome>('ok', 'error', 'error', 'connect-failure'),
      caller: fc.nat(4),
      times: fc.nat(60),
      passMs: fc.nat(800),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const detector = createOutlierDetector(POLICY, cells(6))
        let now = 0
        const check = () => {
          const ejected = cells(6).filter((_, i) => detector.isEjected(i)).length
          assert.equal(detector.ejectedCount, ejected)
          assert.ok(ejected <= 3)
        }
        for (const { index, outcome, caller, times, passMs } of events) {
          now += passMs
          detector.tick(now)
          check()
          for (let i = 0; i < times; i++) detector.record(index, outcome, caller + i, now)
          check()
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('in traffic of 50 requests a second for each cell', () => {
  const RATE = 50
  const TICK_MS = 200

  type Traffic = {
    detector: OutlierDetector
    cellCount: number
    seed: number
    fromMs: number
    untilMs: number
    /** The caller of a request at a cell, and how it went. `random` is in [0, 1). */
    request(cell: number, random: () => number): [caller: number, Outcome]
  }

  /** Sends to each cell what its fitness lets through. Returns the changes, with their times. */
  function run({ detector, cellCount, seed, fromMs, untilMs, request }: Traffic) {
    const random = randomNumbers(seed)
    const changes: { at: number; index: number; change: string; why?: string }[] = []
    const note = (at: number, change: ReturnType<OutlierDetector['record']>) => {
      if (change) changes.push({ at, ...change })
    }
    for (let now = fromMs; now < untilMs; now += TICK_MS) {
      for (const change of detector.tick(now)) note(now, change)
      for (let nth = 0; nth < (RATE * TICK_MS) / 1000; nth++) {
        for (let cell = 0; cell < cellCount; cell++) {
          const [caller, outcome] = request(cell, random)
          if (random() * 255 < detector.fitness(cell, now))
            note(now, detector.record(cell, outcome, caller, now))
        }
      }
    }
    return changes
  }

  /** Marsaglia's xorshift. */
  function randomNumbers(seed: number): () => number {
    let state = seed || 1
    return () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) / 0x1_0000_0000
    }
  }

  const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 })
  const cellCount = fc.integer({ min: 2, max: 8 })
  const byRateAlone = { ...OUTLIER_POLICY, failuresMax: 100_000 }

  for (const [how, policy] of [
    ['by the failures in a row and the success rate', OUTLIER_POLICY],
    ['by the success rate alone', byRateAlone],
  ] as const) {
    test(`a cell that alone fails half or more is out within 5 s, ${how}`, () => {
      const given = fc.record({
        ...{ seed, cellCount },
        failed: fc.double({ min: 0.5, max: 1, noNaN: true }),
        callers: fc.integer({ min: 5, max: 1_000 }),
        healthyMs: fc.integer({ min: 0, max: 50 }).map((n) => n * TICK_MS),
      })
      fc.assert(
        fc.property(given, ({ seed, cellCount, failed, callers, healthyMs }) => {
          const detector = createOutlierDetector(policy, cells(cellCount))
          const callerOf = (random: () => number) => Math.floor(random() * callers)
          const common = { detector, cellCount, seed }
          const before = run({
            ...{ ...common, fromMs: 0, untilMs: healthyMs },
            request: (_, random) => [callerOf(random), 'ok'],
          })
          const changes = run({
            ...{ ...common, fromMs: healthyMs, untilMs: healthyMs + 5_000 },
            request: (cell, random) => [callerOf(random), cell === 0 && random() < failed ? 'error' : 'ok'],
          })
          assert.deepEqual(before, [])
          assert.equal(changes[0]?.change, 'ejected', `${JSON.stringify(changes)}`)
          assert.ok(changes.every(({ index }) => index === 0))
        }),
        { numRuns: 100 },
      )
    })
  }

  test('no success rate stands out when all cells fail alike', () => {
    const given = fc.record({ seed, cellCount, failed: fc.double({ min: 0, max: 1, noNaN: true }) })
    fc.assert(
      fc.property(given, ({ seed, cellCount, failed }) => {
        const changes = run({
          ...{ detector: createOutlierDetector(byRateAlone, cells(cellCount)), cellCount, seed },
          ...{ fromMs: 0, untilMs: 30_000 },
          request: (_, random) => [Math.floor(random() * 100), random() < failed ? 'error' : 'ok'],
        })
        assert.deepEqual(changes, [])
      }),
      { numRuns: 100 },
    )
  })

  test('a tenant that always fails ejects nothing, at its home or everywhere, however much of the traffic is its own', () => {
    const share = fc.double({ min: 0.05, max: 1, noNaN: true })
    const given = fc.record({ seed, cellCount, share, isEverywhere: fc.boolean() })
    fc.assert(
      fc.property(given, ({ seed, cellCount, share, isEverywhere }) => {
        const changes = run({
          ...{ detector: createOutlierDetector(OUTLIER_POLICY, cells(cellCount)), cellCount, seed },
          ...{ fromMs: 0, untilMs: 20_000 },
          request: (cell, random) =>
            (cell === 0 || isEverywhere) && random() < share
              ? [1_000, 'error']
              : [Math.floor(random() * 100), 'ok'],
        })
        assert.deepEqual(changes, [])
      }),
      { numRuns: 50 },
    )
  })

  test('nor does it keep a cell out that has come back', () => {
    const detector = createOutlierDetector(OUTLIER_POLICY, cells(2))
    for (let i = 0; i < 2; i++) detector.record(0, 'connect-failure', 1, 0)
    const changes = run({
      ...{ detector, cellCount: 2, seed: 1, fromMs: 0, untilMs: 20_000 },
      request: (_, random) => (random() < 0.5 ? [1_000, 'error'] : [Math.floor(random() * 100), 'ok']),
    })
    assert.deepEqual(changes, [{ at: 1_000, index: 0, slot: 10, change: 'readmitted' }])
  })

  test('a cell that fails in part stays out longer each time, and comes back on a ramp when it is well', () => {
    fc.assert(
      fc.property(seed, fc.double({ min: 0.5, max: 1, noNaN: true }), (seed, failed) => {
        const detector = createOutlierDetector(OUTLIER_POLICY, cells(4))
        const common = { detector, cellCount: 4, seed }
        const ill = run({
          ...{ ...common, fromMs: 0, untilMs: 60_000 },
          request: (cell, random) => [
            Math.floor(random() * 100),
            cell === 0 && random() < failed ? 'error' : 'ok',
          ],
        })
        const ejections = ill.filter(({ change }) => change === 'ejected').map(({ at }) => at)
        const readmissions = ill.filter(({ change }) => change === 'readmitted').map(({ at }) => at)
        const timesOut = readmissions.map((at, i) => at - ejections[i]!)
        assert.deepEqual(timesOut, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000].slice(0, timesOut.length))
        assert.ok(timesOut.length >= 3)
        run({ ...common, fromMs: 60_000, untilMs: 120_000, request: () => [1, 'ok'] })
        assert.equal(detector.fitness(0, 120_000), 255)
        assert.equal(detector.ejectedCount, 0)
      }),
      { numRuns: 50 },
    )
  })
})
