import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Freeze, type JudgedCell, judgeFleet, type Operator } from './fleet.ts'
import { HEALTH } from './numbers.ts'
import { comparePeers } from './peers.ts'
import { nextProbeState, type ProbeState, UNPROBED } from './probes.ts'
import { rampFitness } from './ramp.ts'
import { addToHistory, NO_HISTORY, readHistory } from './request-history.ts'
import { countedOutcomes, NO_REQUESTS, nextRequestsSignal, type RequestWindow } from './requests.ts'
import { inheritMark, nextHealth, UNJUDGED } from './verdict.ts'

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
  const NOW = 1_000_000
  const POLICY = { freeze_share: 0.5 }
  /**
   * One letter a cell: + healthy, ? unknown, c contradicted; m found unhealthy by the monitor, r by requests, in capitals
   * where routers have the mark already.
   */
  const fleet = (letters: string, since = 0): JudgedCell[] =>
    [...letters].map((letter, slot) => {
      const kind = letter.toLowerCase()
      const verdict =
        kind === '+' ? 'healthy' : kind === '?' ? 'unknown' : kind === 'c' ? 'suspect' : 'unhealthy'
      const ground =
        kind === 'c' ? 'contradicted' : kind === 'm' ? 'monitor' : kind === 'r' ? 'requests' : 'none'
      return { slot, isMarked: letter !== kind, health: { ...UNJUDGED, verdict, ground, since } }
    })
  const judge = (letters: string, freeze: Freeze = null, operator: Operator = null, now = NOW) =>
    judgeFleet(fleet(letters), freeze, operator, POLICY, now)

  test('has its unhealthy cells taken out, up to the share; suspects and unknown ones stay', () => {
    assert.deepEqual(judge('+m++').out, [1])
    assert.deepEqual(judge('+mr+').out, [1, 2])
    assert.deepEqual(judge('?c++').out, [])
    assert.deepEqual(judge('').out, [])
  })

  test('waits for what a monitor says of others at the same time, and not for what requests say', () => {
    const at = (letters: string, now: number) => judgeFleet(fleet(letters, NOW), null, null, POLICY, now).out
    assert.deepEqual(at('mr++', NOW), [1])
    assert.deepEqual(at('mr++', NOW + HEALTH.settleMs), [0, 1])
  })

  test('freezes when more than the share looks unhealthy: nothing new is taken out', () => {
    const { freeze, out } = judge('mmm+')
    assert.deepEqual(out, [])
    assert.match(freeze?.reason ?? '', /3 of 4 cells look unhealthy, .*; the monitor is presumed wrong/)
    assert.ok(judge('m').freeze)
    assert.ok(judge('rrr+').freeze)
  })

  test('freezes too when a monitor is contradicted that often, and does not believe it of the others', () => {
    const { freeze, out } = judge('ccm+++cc')
    assert.match(
      freeze?.reason ?? '',
      /5 of 8 .* at 4 of them a better witness than the probe says otherwise/,
    )
    assert.deepEqual(out, [])
  })

  test('keeps out what requests had found before it froze, and lets go of what the monitor said', () => {
    assert.deepEqual(judge('RcMcc+++').out, [0])
    assert.deepEqual(judge('rcMcc+++').out, [], 'nothing new')
    assert.deepEqual(judge('RRR+').out, [], 'all of them: something that they depend on')
  })

  test('thaws when it has been calm for a time, and not at the first good moment', () => {
    const { freeze } = judge('mmm+')
    const calm = judge('m+++', freeze)
    assert.ok(calm.freeze)
    assert.deepEqual(calm.out, [])
    const again = judge('mmm+', calm.freeze, null, NOW + HEALTH.thawAfterMs)
    assert.equal(again.freeze?.since, NOW)
    assert.equal(again.freeze?.calmSince, null)
    assert.ok(judge('m+++', calm.freeze, null, NOW + HEALTH.thawAfterMs - 1).freeze)
    assert.deepEqual(judge('m+++', calm.freeze, null, NOW + HEALTH.thawAfterMs).out, [0])
  })

  test('is frozen by an operator as it is: nothing out, nothing in', () => {
    assert.deepEqual(judge('mR+M', null, 'frozen').out, [1, 3])
    const recovered = fleet('++++').map((cell) => ({ ...cell, isMarked: cell.slot === 2 }))
    assert.deepEqual(judgeFleet(recovered, null, 'frozen', POLICY, NOW).out, [2])
  })

  test('believes the monitor when an operator thaws it', () => {
    const { freeze } = judge('mmm+')
    const thawed = judge('mmm+', freeze, 'thawed')
    assert.deepEqual([thawed.freeze, thawed.out, thawed.isTooMany], [null, [0, 1, 2], true])
  })
})

describe('what routers saw of a cell', () => {
  const window = (more: Partial<RequestWindow>): RequestWindow => ({ ...NO_REQUESTS, attempts: 100, ...more })

  test('counts a connection that failed, whoever asked for it', () => {
    assert.equal(nextRequestsSignal('ok', window({ connectFailures: 50 })), 'failing')
  })

  test('leaves out what is one tenant’s, beyond as much as all others’ together', () => {
    const mine = countedOutcomes(window({ errors: 60, errorsOfOneTenant: 60 }))
    assert.deepEqual(mine, { volume: 40, ratio: 1 })
    const mixed = countedOutcomes(window({ errors: 60, errorsOfOneTenant: 50 }))
    assert.deepEqual(mixed, { volume: 60, ratio: 40 / 60 })
  })

  test('keeps what it said between the thresholds, and while there are enough requests', () => {
    assert.equal(nextRequestsSignal('failing', window({ errors: 40 })), 'failing')
    assert.equal(nextRequestsSignal('ok', window({ errors: 40 })), 'ok')
    assert.equal(nextRequestsSignal('few', window({ attempts: 19 })), 'few')
    assert.equal(nextRequestsSignal('ok', window({ attempts: 10 })), 'ok')
    assert.equal(nextRequestsSignal('ok', window({ attempts: 9 })), 'few')
  })

  test('is forgotten when the window has passed', () => {
    let history = addToHistory(NO_HISTORY, window({ durations: [1, 2] }), 0)
    history = addToHistory(history, window({ durations: [1, 2] }), 900)
    assert.deepEqual(readHistory(history, 4_999), window({ attempts: 200, durations: [2, 4] }))
    assert.equal(readHistory(history, HEALTH.windowMs).attempts, 0)
    assert.equal(addToHistory(history, window({}), 60_000).slices.length, 1, 'and takes no room any more')
  })

  test('is compared with cells of the same release only', () => {
    const bad = window({ errors: 40 })
    const cells = (release: string) => [
      { slot: 0, release: 'r2', window: bad },
      { slot: 1, release, window: window({}) },
      { slot: 2, release, window: window({}) },
    ]
    assert.equal(comparePeers(cells('r2')).get(0)?.signal, 'errors')
    assert.equal(comparePeers(cells('r1')).get(0)?.signal, 'unknown')
    assert.equal(comparePeers(cells('r1')).get(1)?.signal, 'ok')
  })

  test('is slow where its peers are not: beside the lower half of them, itself left out', () => {
    const answers = (bucket: number) => Array.from({ length: bucket + 1 }, (_, i) => (i === bucket ? 100 : 0))
    const [fast, slow] = [window({ durations: answers(2) }), window({ durations: answers(11) })]
    /** s: slow, f: fast, -: without answers enough. */
    const signals = (letters: string) => {
      const windows = { s: slow, f: fast, '-': window({}) }
      const cells = [...letters].map((letter, slot) => ({
        ...{ slot, release: 'r1', window: windows[letter as 's' | 'f' | '-'] },
      }))
      return [...comparePeers(cells).values()].map(({ signal }) => (signal === 'slow' ? 's' : '.')).join('')
    }
    assert.deepEqual(['s-', 'sf', 'fs-', 'fss', 'fsss', 'ssff', 'sfsff', 'ss'].map(signals), [
      '..',
      's.',
      '.s.',
      '.ss',
      '....',
      'ss..',
      's.s..',
      '..',
    ])
  })
})

test('a mark that was there before is kept for a window, as nobody can tell what it rested on', () => {
  const inherited = inheritMark({ since: 5, reason: 'gray' }, 1_000)
  const signals = { probe: 'ok', synthetic: 'none', requests: 'few', peers: 'unknown' } as const
  const reasons = { probe: 'answered 200', synthetic: '', requests: '', peers: '' }
  const then = (now: number) => nextHealth(inherited, signals, reasons, now)
  assert.deepEqual([then(1_500).verdict, then(1_500).since, then(1_500).reason], ['unhealthy', 5, 'gray'])
  assert.equal(then(1_000 + HEALTH.inheritedHoldMs).verdict, 'healthy')
})

test('a hold begins when a cell goes out, and not again while it is out', () => {
  const failing = { probe: 'ok', synthetic: 'none', requests: 'failing', peers: 'ok' } as const
  const reasons = { probe: '', synthetic: '', requests: '', peers: '' }
  const out = nextHealth(UNJUDGED, failing, reasons, 1_000)
  assert.equal(out.holdUntil, 1_000 + HEALTH.holdMs)
  const still = nextHealth(out, failing, reasons, out.holdUntil)
  assert.deepEqual([still.verdict, still.holdUntil, still.holds], ['unhealthy', out.holdUntil, 1])
  const well = nextHealth(still, { ...failing, requests: 'few' }, reasons, out.holdUntil + 1)
  assert.equal(well.verdict, 'healthy')
  const again = nextHealth(well, failing, reasons, out.holdUntil + 2)
  assert.deepEqual([again.holds, again.holdUntil - out.holdUntil - 2], [2, HEALTH.holdMsMax])
})
