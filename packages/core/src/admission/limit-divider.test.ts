import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createLimitDivider } from './limit-divider.ts'
import { FLOOR_SHARE, shareFloor } from './shares.ts'
import { seeded } from './testing-cell.ts'
import { type DividedTrial, runDividedTrial } from './testing-routers.ts'

const LIMIT = 200
/** Rounds after which a division has followed a move. */
const ROUNDS = 6

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]) => sum(values) / values.length
const run = (trial: Partial<DividedTrial> & Pick<DividedTrial, 'perSecond'>) =>
  runDividedTrial({ routers: 3, limit: LIMIT, seconds: 20, ...trial })

/** What is let through a second once the division has settled, of the limit. */
const settled = ({ admitted }: { admitted: number[] }, from = ROUNDS, to = admitted.length) =>
  mean(admitted.slice(from, to)) / LIMIT

describe('a tenant beyond its cap', () => {
  test('gets R times its cap where nothing is divided: what this is for', () => {
    assert.ok(settled(run({ perSecond: () => LIMIT, isDivided: false })) > 2.9)
  })

  test('gets its cap in total, however its requests are spread', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        (rates, seed) => {
          const outcome = run({
            routers: rates.length,
            perSecond: (router) => rates[router]!,
            random: seeded(seed),
          })
          const expected = Math.min(1, sum(rates) / LIMIT)
          assert.ok(settled(outcome) <= expected + 0.08, `${settled(outcome)} of ${expected}`)
          assert.ok(settled(outcome) >= expected - 0.1, `${settled(outcome)} of ${expected}`)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('gets all of it where it goes when it moves to one router, in a few rounds', () => {
    const outcome = run({
      perSecond: (router, second) => (second < 10 ? LIMIT : router === 0 ? 3 * LIMIT : 0),
    })
    assert.ok(Math.abs(settled(outcome, ROUNDS, 10) - 1) < 0.02)
    assert.ok(settled(outcome, 10 + ROUNDS) > 0.95)
    assert.ok(outcome.shares.at(-1)![0]! > 0.95)
  })

  test('moves from router to router every second and gains no more than the floors', () => {
    const outcome = run({
      seconds: 60,
      perSecond: (router, second) => (second % 3 === router ? 3 * LIMIT : 0),
    })
    assert.ok(settled(outcome) <= 1 + FLOOR_SHARE, `${settled(outcome)}`)
  })
})

describe('a division', () => {
  test('stands still under a constant load', () => {
    const { shares } = run({ seconds: 60, perSecond: (router) => 100 * (router + 1) })
    assert.deepEqual(new Set(shares.slice(ROUNDS).map(String)).size, 1)
  })

  test('does not drift under a load that is constant but for chance', () => {
    const { shares } = run({ seconds: 300, perSecond: (router) => 100 * (router + 1), random: seeded(7) })
    for (const router of [0, 1, 2]) {
      const of = shares.slice(ROUNDS).map((row) => row[router]!)
      assert.ok(Math.abs(mean(of.slice(0, 100)) - mean(of.slice(-100))) < 0.02)
      assert.ok(Math.max(...of) - Math.min(...of) < 0.15)
    }
  })

  test('counts a router that joins, and gives the share of one that left to the others', () => {
    const outcome = run({
      seconds: 40,
      perSecond: () => LIMIT,
      isUp: (router, second) => router < 2 || (second >= 12 && second < 26),
    })
    const sharesAt = (second: number) => outcome.shares[second]!
    assert.ok(
      sharesAt(11)
        .slice(0, 2)
        .every((share) => Math.abs(share - 1 / 2) < 0.02),
    )
    assert.ok(sharesAt(25).every((share) => Math.abs(share - 1 / 3) < 0.02))
    assert.ok(
      sharesAt(39)
        .slice(0, 2)
        .every((share) => Math.abs(share - 1 / 2) < 0.02),
    )
    for (const end of [12, 26, 40]) assert.ok(Math.abs(settled(outcome, end - 5, end) - 1) < 0.05)
  })
})

describe('what is divided', () => {
  const even = ['a', 'b'] as const
  const record = (divider: ReturnType<typeof createLimitDivider<string>>, counts: Record<string, number>) => {
    for (const router of even) divider.record(router, { ms: 1_000, counts: new Map(Object.entries(counts)) })
  }
  const byLimit = (limit: number) => (_: string, perSecond: number) => perSecond / limit

  test('is what comes near its limit', () => {
    const divider = createLimitDivider<string>(10)
    const isDivided = (perRouter: number) => {
      // Often enough for the rate to be what is told.
      for (let i = 0; i < 20; i++) record(divider, { tenant: perRouter })
      return divider.divide(even, byLimit(100)).has('tenant')
    }
    assert.deepEqual([20, 30, 20].map(isDivided), [false, true, false])
  })

  test('has a limit at all', () => {
    const divider = createLimitDivider<string>(10)
    record(divider, { limited: 80, unlimited: 80 })
    const division = divider.divide(even, (key, rate) => (key === 'limited' ? rate / 100 : undefined))
    assert.deepEqual([...division], [['limited', [0.5, 0.5]]])
  })

  test('is bounded: those with the highest load', () => {
    const divider = createLimitDivider<string>(2)
    record(divider, { some: 70, more: 80, most: 90 })
    assert.deepEqual([...divider.divide(even, byLimit(100)).keys()], ['most', 'more'])
  })

  test('is forgotten when nothing arrives any more', () => {
    const divider = createLimitDivider<string>(10)
    record(divider, { tenant: 1_000 })
    for (let i = 0; i < 20; i++) record(divider, {})
    assert.equal(divider.divide(even, () => 1).size, 0)
  })

  test('is divided between those who report now; one that said nothing yet has its floor', () => {
    const divider = createLimitDivider<string>(10)
    record(divider, { tenant: 100 })
    const shares = divider.divide(['a', 'b', 'new'], byLimit(100)).get('tenant')!
    assert.deepEqual(shares, [0.5, 0.5, shareFloor(3)])
    assert.deepEqual(divider.divide(['a'], byLimit(100)).get('tenant'), [1])
  })
})
