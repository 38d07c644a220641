import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PLANTED_BUGS } from './planted-bugs.ts'
import { type SimulationResult, simulate } from './simulate.ts'

/** Always the same: both kinds of fleet, and seeds that once found something. */
const FIXED_SEEDS = [1, 2, 7]
const FRESH_SEEDS = 2
/** A planted bug that is not found within so many seeds would not have been found at all. */
const SEEDS_TO_FIND_IN = 24

const fresh = Array.from({ length: FRESH_SEEDS }, () => Math.floor(Math.random() * 2 ** 31))

function mustHold({ seed, violation, trace }: SimulationResult): void {
  if (!violation) return
  assert.fail(
    [
      `seed ${seed}: ${violation.invariant}: ${violation.message}`,
      ...trace,
      `replay: npm run sim -- --seed ${seed}`,
    ].join('\n'),
  )
}

describe('a fleet under faults holds its invariants', () => {
  for (const seed of FIXED_SEEDS) {
    test(`with seed ${seed}`, async () => {
      const result = await simulate(seed)
      mustHold(result)
      assert.ok(result.faults >= 20)
      assert.ok(result.requests.sent > 1000, 'there was traffic')
    })
  }
  for (const seed of fresh) {
    test(`with the fresh seed ${seed}`, async (t) => {
      t.diagnostic(`fresh seed ${seed}`)
      mustHold(await simulate(seed))
    })
  }
})

describe('routers that report bases which nobody gave them', () => {
  test('begin no epoch by one that is absurd', async () => {
    mustHold(await simulate(1, { favoured: ['router claims an absurd epoch'] }))
  })

  test('begin one epoch at most by the version that comes next', async () => {
    const without = ['store is restored', 'clock is wrong']
    let believed = 0
    for (const seed of [1, 4, 5]) {
      const result = await simulate(seed, { favoured: ['router claims the next version'], without })
      mustHold(result)
      if (result.trace.some((line) => / base 2\./.test(line))) believed++
    }
    assert.ok(believed > 0, 'one was believed')
  })
})

test('a seed gives the same run, event for event', async () => {
  const [once, again] = [await simulate(3), await simulate(3)]
  assert.equal(again.digest, once.digest)
  assert.deepEqual(again.trace, once.trace)
})

test('what is skipped is what would not have changed: the quiet lived through ends in the same documents', async () => {
  const short = { bouts: 1, lengthMs: 270_000 }
  const skipped = await simulate(6, short)
  const lived = await simulate(6, { ...short, doesSkip: false })
  mustHold(skipped)
  mustHold(lived)
  assert.ok(skipped.livedMs < lived.livedMs - 40_000, 'much was skipped')
  assert.ok(Math.abs(skipped.elapsedMs - lived.elapsedMs) < 5_000)
  assert.equal(skipped.decided, lived.decided)
})

describe('a planted bug is found', () => {
  for (const [name, { bugs, breaks, favoured }] of Object.entries(PLANTED_BUGS)) {
    test(name, async (t) => {
      for (let seed = 1; seed <= SEEDS_TO_FIND_IN; seed++) {
        const { violation, trace } = await simulate(seed, { bugs, favoured })
        if (!violation) continue
        assert.ok(breaks.includes(violation.invariant), `${violation.invariant}: ${violation.message}`)
        assert.ok(trace.length > 10, 'with what led to it')
        t.diagnostic(`found by seed ${seed}: ${violation.message}`)
        return
      }
      assert.fail(`no seed of ${SEEDS_TO_FIND_IN} found it`)
    })
  }
})

describe('npm run sim', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url)), ...args], {
      encoding: 'utf8',
    })

  test('prints figures as JSON', () => {
    const { status, stdout, stderr } = run('--seeds', '1', '--from', '8', '--json')
    assert.equal(status, 0, stderr)
    const figures = JSON.parse(stdout)
    assert.deepEqual(Object.keys(figures), ['seeds', 'fleetDays', 'faults', 'seconds', 'violations'])
    assert.deepEqual([figures.seeds, figures.violations], [1, []])
  })

  test('refuses arguments that it does not know or that do not fit, and says what it expects', () => {
    for (const args of [
      ['--sed', '1'],
      ['--seed', 'x'],
      ['--seed', '1', '--seeds', '2'],
    ]) {
      const { status, stderr } = run(...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /Usage: npm run sim/)
    }
    assert.match(run('--help').stdout, /--seeds N/)
  })
})
