import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APPLY_WITHIN_MS, judgeWave, type RouterSeen, type WaveWatch } from './judge-wave.ts'

const POLICY = { watchMs: 2_000, silentAfterMs: 5_000 }
const OLD = { epoch: 1, version: 6 }
const NEW = { epoch: 1, version: 7 }
const COUNT = { startedAt: 'a', requests: 1_000, errors: 10, refused: 0 }

const wave = (appliedAt: number | null = null): WaveWatch => ({
  base: NEW,
  canary: 'r1',
  began: new Map([
    ['r1', COUNT],
    ['r2', COUNT],
  ]),
  beganAt: 0,
  appliedAt,
})

function seen(canary: Partial<RouterSeen>, peer: Partial<RouterSeen> = {}): Map<string, RouterSeen> {
  const router = { ...COUNT, base: OLD, lastRefusal: null, reportedAt: 1_000 }
  return new Map([
    ['r1', { ...router, ...canary }],
    ['r2', { ...router, ...peer }],
  ])
}

const judge = (routers: Map<string, RouterSeen>, appliedAt: number | null = null, now = 1_000) => {
  const verdict = judgeWave(wave(appliedAt), routers, POLICY, now)
  return verdict.kind === 'take-back' ? verdict.reason : verdict.kind
}

test('it waits until the canary has the base, and then for the watch, told by a report from after it', () => {
  assert.equal(judge(seen({})), 'wait')
  assert.equal(judge(seen({ base: NEW })), 'wait')
  assert.equal(judge(seen({ base: NEW, reportedAt: 2_900 }), 1_000, 2_900), 'wait')
  assert.equal(judge(seen({ base: NEW, reportedAt: 2_900 }), 1_000, 3_500), 'wait', 'no word since')
  assert.equal(judge(seen({ base: NEW, reportedAt: 3_000 }), 1_000, 3_000), 'finish')
  assert.equal(judge(seen({ base: { epoch: 1, version: 9 }, reportedAt: 3_000 }), 1_000, 3_000), 'finish')
})

test('a canary that refuses it, and one that refused something else', () => {
  const refusal = 'base from origin: budget.moved_share'
  assert.match(judge(seen({ refused: 1, lastRefusal: refusal })), /"r1" refuses it: base from origin/)
  assert.equal(judge(seen({ refused: 1, lastRefusal: 'jwks from origin: …' })), 'wait')
  assert.equal(judge(seen({ refused: 0, lastRefusal: refusal })), 'wait', 'that was before')
})

test('a canary that falls silent, before it was heard as well', () => {
  assert.match(judge(seen({ base: NEW }), 1_000, 6_100), /silent for 5 s/)
  assert.match(judge(new Map(), null, 5_100), /silent/)
  assert.equal(judge(new Map(), null, 4_900), 'wait')
})

test('a canary that was started anew: it may have crashed of it', () => {
  assert.match(judge(seen({ startedAt: 'b' })), /started anew/)
})

test('a canary that reports on and on and does not take it', () => {
  const now = APPLY_WITHIN_MS + 1
  assert.match(judge(seen({ reportedAt: now }), null, now), /has not taken it within 20 s/)
})

test('errors clearly above what they were and what the peers see', () => {
  const ill = { base: NEW, requests: 1_100, errors: 30 }
  assert.match(judge(seen(ill)), /20 errors in 100 requests since; before it was 1 %, .* peers it is 0 %/)
  assert.equal(judge(seen(ill, { requests: 1_100, errors: 30 })), 'wait', 'all of them see it')
  assert.equal(judge(seen({ ...ill, errors: 16 })), 'wait', 'six of a hundred')
  assert.equal(judge(seen({ ...ill, requests: 1_010, errors: 20 })), 'wait', 'too few to tell')
})

test('a peer that was started anew is no yardstick', () => {
  const ill = { base: NEW, requests: 1_100, errors: 30 }
  assert.match(judge(seen(ill, { startedAt: 'b', requests: 10, errors: 10 })), /20 errors/)
})

test('a base that drops a busy cell takes its counts away, and hides no errors of the others by that', () => {
  const busy = { requests: 900, errors: 9 }
  const began = {
    ...COUNT,
    cells: new Map([
      [0, busy],
      [1, { requests: 100, errors: 1 }],
    ]),
  }
  const watch = { ...wave(), began: new Map([['r1', began]]) }
  const now = { requests: 200, errors: 31 }
  const without = {
    ...now,
    cells: new Map([
      [1, { requests: 150, errors: 21 }],
      [2, { requests: 50, errors: 10 }],
    ]),
  }
  const ill = judgeWave(watch, seen({ base: NEW, ...without }), POLICY, 1_000)
  assert.match(ill.kind === 'take-back' ? ill.reason : ill.kind, /sees 30 errors in 100 requests since/)
  const well = new Map([[1, { requests: 150, errors: 2 }]])
  assert.equal(judgeWave(watch, seen({ base: NEW, cells: well }), POLICY, 1_000).kind, 'wait')
})
