import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  keyIdOf,
  signDocument,
  TOPOLOGY_BYTES_MAX,
  type TopologyOverlay,
  type TrustedKeys,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import fc from 'fast-check'
import { acceptBase, acceptOverlay } from './accept.ts'
import { compileOverlay } from './compile.ts'
import { exampleBase, exampleCell, SINCE, unwrap } from './example-fleet.ts'
import { overlayMisfits, refit } from './overlay-fit.ts'
import { unhealthyIndexes } from './overlay-marks.ts'
import type { Snapshot } from './snapshot.ts'

const ours = generateKeyPairSync('ed25519')
const theirs = generateKeyPairSync('ed25519')
const KEYS: TrustedKeys = new Map([[keyIdOf(ours.publicKey), ours.publicKey]])

function signed(document: object, key = ours.privateKey, keyId = keyIdOf(ours.publicKey)): string {
  return JSON.stringify(signDocument(document, keyId, key))
}

const BASE = exampleBase({ version: 5 })
const TEXT = signed(BASE)
const CURRENT = accepted(null, TEXT)

function accepted(current: Snapshot | null, text: string): Snapshot {
  return unwrap(acceptBase(current?.base ?? null, text, KEYS, 'shop')).snapshot
}

/** The codes of the refusal; empty when the document was accepted. */
function refusal(text: string, current: Snapshot | null = CURRENT, fleet = 'shop'): string[] {
  const result = acceptBase(current?.base ?? null, text, KEYS, fleet)
  return result.ok ? [] : result.problems.map((p) => p.code)
}

const changed = (change: Partial<UnsignedTopologyBase>) => signed({ ...BASE, version: 6, ...change })

describe('a base is accepted', () => {
  test('when nothing is held yet, and when it is newer than what is held', () => {
    assert.deepEqual(refusal(TEXT, null), [])
    assert.deepEqual(refusal(changed({ version: 6 })), [])
    assert.deepEqual(refusal(changed({ version: 5000 })), [])
  })

  test('of a newer epoch, whatever its version: a store was restored', () => {
    assert.deepEqual(refusal(changed({ epoch: 2, version: 0 })), [])
  })

  test('printed and parsed again, with its keys in another order', () => {
    const shuffled = Object.fromEntries(Object.entries(JSON.parse(changed({}))).reverse())
    assert.deepEqual(refusal(JSON.stringify(shuffled, null, 2)), [])
  })
})

describe('a base is refused', () => {
  test('when it is what is held already: no fault, but nothing to do', () => {
    assert.deepEqual(refusal(TEXT), ['TOPOLOGY_UNCHANGED'])
  })

  test('when it is older, or another document of the same version', () => {
    assert.deepEqual(refusal(changed({ version: 4 })), ['TOPOLOGY_OLDER'])
    assert.deepEqual(refusal(changed({ version: 5, choice: 'least-loaded' })), ['TOPOLOGY_OLDER'])
    assert.deepEqual(refusal(changed({ epoch: 0, version: 99 })), ['TOPOLOGY_OLDER'])
  })

  test('when it is of another fleet', () => {
    assert.deepEqual(refusal(TEXT, null, 'bank'), ['TOPOLOGY_OTHER_FLEET'])
  })

  test('when it is signed with a key that is not trusted, also under a trusted name', () => {
    assert.deepEqual(refusal(signed({ ...BASE, version: 6 }, theirs.privateKey, keyIdOf(theirs.publicKey))), [
      'TOPOLOGY_KEY_UNKNOWN',
    ])
    assert.deepEqual(refusal(signed({ ...BASE, version: 6 }, theirs.privateKey)), [
      'TOPOLOGY_SIGNATURE_INVALID',
    ])
  })

  test('when it was changed after it was signed', () => {
    const document = JSON.parse(changed({}))
    assert.deepEqual(refusal(JSON.stringify({ ...document, version: 7 })), ['TOPOLOGY_SIGNATURE_INVALID'])
  })

  test('when it has no active cell', () => {
    const cells = BASE.cells.map((cell) =>
      cell.role === 'serving' ? { ...cell, state: 'drained' as const } : cell,
    )
    assert.deepEqual(refusal(changed({ cells })), ['TOPOLOGY_NO_CELLS'])
    assert.deepEqual(refusal(changed({ cells: [] })), ['TOPOLOGY_NO_CELLS'])
  })

  test('when its table does not fit its cells', () => {
    assert.deepEqual(refusal(changed({ cells: BASE.cells.slice(1) })), ['TOPOLOGY_TABLE_MISFIT'])
    assert.deepEqual(refusal(changed({ shard_size: 1 })), ['TOPOLOGY_TABLE_SIZE'])
  })

  test('when it is too large, cut off, of another format, or no document at all', () => {
    assert.deepEqual(refusal('x'.repeat(TOPOLOGY_BYTES_MAX + 1)), ['TOPOLOGY_TOO_LARGE'])
    assert.deepEqual(refusal(TEXT.slice(0, TEXT.length / 2)), ['TOPOLOGY_NOT_JSON'])
    assert.deepEqual(refusal(signed({ ...BASE, format: 2 })), ['TOPOLOGY_FORMAT_UNKNOWN'])
    for (const text of ['', 'null', '3', '[]', '"base"', '{}', '['.repeat(100_000)]) {
      assert.notDeepEqual(refusal(text), [], text.slice(0, 20))
    }
  })
})

describe('whatever arrives, it is refused with a named problem, never thrown, and what is held stays as it is', () => {
  const before = JSON.stringify(CURRENT.base)
  const assertRefused = (text: string) => {
    const codes = refusal(text)
    assert.ok(
      codes.length > 0 && codes.every((code) => /^[A-Z0-9_]+$/.test(code)),
      `${codes} for ${text.slice(0, 200)}`,
    )
    assert.equal(JSON.stringify(CURRENT.base), before)
  }

  test('documents with bytes changed, lost or doubled', () => {
    const newer = changed({})
    const mutation = fc.record({
      // Not the signature's last character, which has bits to spare.
      at: fc.nat(newer.length - 5),
      length: fc.integer({ min: 1, max: 40 }),
      insert: fc.string({ maxLength: 10 }),
    })
    fc.assert(
      fc.property(mutation, ({ at, length, insert }) => {
        const text = newer.slice(0, at) + insert + newer.slice(at + length)
        // White space between tokens is no change; all else must show.
        fc.pre(!isSameJson(text, newer))
        assertRefused(text)
      }),
      { numRuns: 300 },
    )
  })

  test('documents that are cut off anywhere', () => {
    const newer = changed({})
    fc.assert(
      fc.property(fc.nat(newer.length - 1), (end) => assertRefused(newer.slice(0, end))),
      { numRuns: 100 },
    )
  })

  test('documents of the right shape that someone else signed', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.boolean(), (epoch, version, usesOurName) => {
        const keyId = keyIdOf(usesOurName ? ours.publicKey : theirs.publicKey)
        assertRefused(signed({ ...BASE, epoch, version }, theirs.privateKey, keyId))
      }),
      { numRuns: 50 },
    )
  })

  test('documents that are replayed', () => {
    fc.assert(
      fc.property(fc.nat(1), fc.nat(5), (epoch, version) => assertRefused(changed({ epoch, version }))),
      { numRuns: 20 },
    )
  })

  test('any JSON, also signed by us and with any field of a base replaced', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(BASE)), fc.jsonValue({ maxDepth: 3 }), (field, value) => {
        fc.pre(!['version', 'epoch', 'issued_at', 'topology_ttl_seconds'].includes(field))
        const codes = refusal(changed({ [field]: value }))
        assert.ok(codes.every((code) => /^[A-Z0-9_]+$/.test(code)))
        assertRefused(JSON.stringify(value))
      }),
      { numRuns: 200 },
    )
  })
})

describe('an overlay', () => {
  const overlay = (version: number, slots: number[], more: object = {}) => ({
    ...compileOverlay({
      fleet: 'shop',
      epoch: 1,
      version,
      baseVersion: 5,
      issuedAt: SINCE,
      unhealthy: slots.map((slot) => ({ slot, since: SINCE, reason: 'connection refused' })),
      quarantined: [],
    }),
    ...more,
  })
  const take = (current: TopologyOverlay | null, text: string, base: Snapshot | null = CURRENT) => {
    const result = acceptOverlay(current, text, KEYS, 'shop', base)
    return result.ok ? result.value : result.problems[0]!.code
  }
  const held = (slots: number[]) => unwrap(acceptOverlay(null, signed(overlay(3, slots)), KEYS, 'shop', null))

  test('is accepted and refused by the rules of a base', () => {
    const current = held([1])
    assert.equal(current.unhealthy.length, 1)
    assert.equal(take(current, signed(overlay(3, [1]))), 'TOPOLOGY_UNCHANGED')
    assert.equal(take(current, signed(overlay(2, []))), 'TOPOLOGY_OLDER')
    assert.equal(take(current, signed(overlay(4, []), theirs.privateKey)), 'TOPOLOGY_SIGNATURE_INVALID')
    assert.equal(take(current, signed(overlay(4, [], { fleet: 'bank' }))), 'TOPOLOGY_OTHER_FLEET')
    assert.equal(take(current, TEXT), 'INVALID_VALUE')
    assert.equal(take(current, '{"format":1'), 'TOPOLOGY_NOT_JSON')
    assert.equal(typeof take(current, signed(overlay(4, []))), 'object')
  })

  test('with a mark for a slot that no cell has is refused, if it refines the base that is held', () => {
    assert.equal(take(null, signed(overlay(3, [1, 99]))), 'TOPOLOGY_OVERLAY_MISFIT')
    assert.equal(take(held([1]), signed(overlay(4, [99]))), 'TOPOLOGY_OVERLAY_MISFIT')
    const result = acceptOverlay(null, signed(overlay(3, [1, 4, 77, 99])), KEYS, 'shop', CURRENT)
    assert.match(
      (!result.ok && result.problems[0]?.message) || '',
      /: 77, 99; expected slots of base .*version 5/,
    )
    const many = Array.from({ length: 5_000 }, (_, nth) => 100 + nth)
    const long = acceptOverlay(null, signed(overlay(3, many)), KEYS, 'shop', CURRENT)
    assert.match((!long.ok && long.problems[0]?.message) || '', /: 100, 101, .*107, …; expected/)
  })

  test('is taken with such a mark while another base is held: its own comes later, or is gone', () => {
    for (const refined of [{ base_version: 4 }, { base_version: 6 }, { epoch: 2 }]) {
      const taken = take(null, signed(overlay(3, [1, 99], refined)))
      assert.ok(typeof taken === 'object', JSON.stringify(refined))
      assert.deepEqual(overlayMisfits(taken, CURRENT), [])
      assert.deepEqual([...unhealthyIndexes(CURRENT, taken, 0, 0).out], [0, 1, 0, 0, 0])
    }
    const early = take(null, signed(overlay(3, [1, 99], { base_version: 6 })))
    assert.ok(typeof early === 'object')
    const next = accepted(CURRENT, changed({ version: 6 }))
    assert.deepEqual(
      overlayMisfits(early, next).map(({ code }) => code),
      ['TOPOLOGY_OVERLAY_MISFIT'],
      'which is found when its base is taken',
    )
    const found = refit(early, next)
    assert.deepEqual(found.overlay, { ...early, unhealthy: [] }, 'it keeps what is about tenants')
    assert.match(found.misfits[0]?.message ?? '', /: 99; .*; 2 marks of overlay 3 are no longer followed$/)
    const another = accepted(CURRENT, changed({ version: 7 }))
    assert.deepEqual(refit(early, another), { overlay: early, misfits: [] })
  })

  test('marks cells, quarantine cell included; unknown slots have no effect', () => {
    assert.deepEqual([...unhealthyIndexes(CURRENT, held([1, 4, 99]), 0, 0).out], [0, 1, 0, 0, 1])
  })

  test('that marks more than the allowed share is ignored, and says so', () => {
    const half = unhealthyIndexes(CURRENT, held([0, 1]), 0, 0)
    assert.deepEqual([half.ignored, [...half.out]], [false, [1, 1, 0, 0, 0]])
    const most = unhealthyIndexes(CURRENT, held([0, 1, 2]), 0, 0)
    assert.deepEqual([most.ignored, [...most.out]], [true, [0, 0, 0, 0, 0]])
    assert.match(most.reason, /3 of 4 cells are marked unhealthy/)
  })

  test('loses its marks after the TTL without news, not before', () => {
    const marked = (ageMs: number) => unhealthyIndexes(CURRENT, held([1]), 1_000_000 + ageMs, 1_000_000)
    assert.equal(marked(60_000).out[1], 1)
    assert.equal(marked(60_001).out[1], 0)
    assert.match(marked(90_000).reason, /90 s ago; marks count for 60 s/)
  })

  test('none at all marks nothing', () => {
    assert.deepEqual(unhealthyIndexes(CURRENT, null, 0, 0), {
      out: new Uint8Array(5),
      ignored: false,
      reason: '',
    })
  })
})

test('a cell that drains stays in the base, so that what it holds can be read', () => {
  const cells = [...[0, 1, 2].map((slot) => exampleCell(slot)), exampleCell(3, { state: 'draining' })]
  const snapshot = accepted(null, signed(exampleBase({ cells })))
  assert.equal(snapshot.cells[3]!.state, 'draining')
  assert.ok(!snapshot.members.includes(3))
})

function isSameJson(a: string, b: string): boolean {
  try {
    return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b))
  } catch {
    return false
  }
}
