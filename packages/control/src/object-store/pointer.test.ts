import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopologyPointer } from '@cellplane/contract'
import { planPointer, referTo } from './pointer.ts'

const at = (kind: 'base' | 'overlay', [epoch, version]: Version) =>
  referTo('p', kind, { epoch, version, text: `${kind} ${epoch}.${version}` })
const pointer = (base: Version, overlay: Version | null, fleet = 'test'): TopologyPointer => ({
  format: 1,
  fleet,
  base: at('base', base),
  overlay: overlay && at('overlay', overlay),
})
const planOver = (found: TopologyPointer, ours: TopologyPointer) => {
  const plan = planPointer(JSON.stringify(found), ours)
  return plan.ok ? plan.value : plan.problems[0]?.message
}
type Version = [epoch: number, version: number]

test('the first pointer is written, and one that says the same is left', () => {
  const ours = pointer([1, 2], [1, 3])
  assert.deepEqual(planPointer(undefined, ours), { ok: true, value: 'write' })
  assert.equal(planOver(ours, ours), 'same')
  assert.equal(planOver(pointer([1, 2], null), pointer([1, 2], null)), 'same')
})

test('a newer base or overlay replaces an older one', () => {
  assert.equal(planOver(pointer([1, 2], [1, 3]), pointer([1, 3], [1, 3])), 'write')
  assert.equal(planOver(pointer([1, 2], [1, 3]), pointer([1, 2], [1, 4])), 'write')
  assert.equal(planOver(pointer([1, 2], null), pointer([1, 2], [1, 1])), 'write')
})

test('neither goes back', () => {
  assert.match(
    String(planOver(pointer([1, 3], [1, 3]), pointer([1, 2], [1, 9]))),
    /names base 1\.3.* has 1\.2/,
  )
  assert.match(
    String(planOver(pointer([1, 2], [1, 3]), pointer([1, 3], [1, 2]))),
    /names overlay 1\.3.* has 1\.2/,
  )
  assert.match(
    String(planOver(pointer([1, 2], [1, 3]), pointer([1, 2], null))),
    /names overlay 1\.3.* has none/,
  )
})

test('a newer epoch wins, whatever it has of an overlay; an older one never', () => {
  for (const overlay of [null, [1, 1], [2, 1]] as const) {
    assert.equal(planOver(pointer([1, 9], [1, 9]), pointer([2, 1], overlay && [...overlay])), 'write')
  }
  assert.match(String(planOver(pointer([2, 1], null), pointer([1, 9], [1, 9]))), /names base 2\.1/)
})

test('what belongs to another fleet, and what is no pointer, is refused with the remedy', () => {
  const ours = pointer([9, 9], [9, 9])
  assert.match(String(planOver(pointer([1, 1], null, 'other'), ours)), /fleet "other".*prefix of its own/)
  for (const found of ['', 'nonsense', '[]', JSON.stringify({ ...ours, format: 2 })]) {
    const plan = planPointer(found, ours)
    assert.ok(!plan.ok)
    assert.match(plan.problems[0]?.message ?? '', /no pointer of cellplane.*remove it/)
  }
})
