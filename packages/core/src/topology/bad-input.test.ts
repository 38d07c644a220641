/**
 * A consumer under a stream of documents, most of them bad: mutated, truncated, re-signed, replayed, out of order, misfitting.
 * It holds the newest good one of what it was given and nothing else, whole; and of every refusal it can say why.
 */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  encodeTable,
  keyIdOf,
  PROBLEMS_MAX,
  type Problem,
  signDocument,
  type TopologyOverlay,
  type TrustedKeys,
} from '@cellplane/contract'
import fc from 'fast-check'
import { type AcceptedBase, acceptBase, acceptOverlay } from './accept.ts'
import { compileOverlay } from './compile.ts'
import { exampleBase, exampleCell, exampleFleet, SINCE, tableOf } from './example-fleet.ts'
import { quarantinedTenants, unhealthyIndexes } from './overlay-marks.ts'

const ours = keyOf(1)
const theirs = keyOf(2)
const KEYS: TrustedKeys = new Map([[keyIdOf(ours), createPublicKey(ours)]])
const FLEET = 'shop'

/** Of every test here; the machines that run them are shared. */
const RUNS = 60

/** A key from a number, so that a seed gives the same documents again: PKCS #8 (RFC 8410). */
function keyOf(seed: number): KeyObject {
  const header = Buffer.from('302e020100300506032b657004220420', 'hex')
  return createPrivateKey({
    key: Buffer.concat([header, Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  })
}

const sign = (document: object, key = ours, keyId = keyIdOf(ours)) =>
  JSON.stringify(signDocument(document, keyId, key))

const cellsWith = (count: number) => [
  ...Array.from({ length: count }, (_, slot) => exampleCell(slot)),
  exampleCell(90, { id: 'quarantine', role: 'quarantine' }),
]
const SIZES = [3, 4, 5, 6]
const TABLES = new Map(
  SIZES.map((count) => [count, tableOf(exampleFleet(), cellsWith(count).slice(0, count))]),
)

/** Documents of different content, so that half of one and half of another would show. */
function base(version: number, change: object = {}) {
  const count = SIZES[version % SIZES.length]!
  const overrides = [
    { tenant: `t-${version}`, cells: [version % count], reason: 'pin' as const, generation: 0 },
  ]
  return {
    ...exampleBase({ version, cells: cellsWith(count), table: TABLES.get(count)!, overrides }),
    ...change,
  }
}

function overlay(version: number, slots: readonly number[] = [version % 3], change: object = {}) {
  return {
    ...compileOverlay({
      fleet: FLEET,
      epoch: 1,
      version,
      baseVersion: version,
      issuedAt: SINCE,
      unhealthy: slots.map((slot) => ({ slot, since: SINCE, reason: 'connection refused' })),
      quarantined: [{ tenant: `q-${version}`, since: SINCE, reason: 'its requests crash cells' }],
    }),
    ...change,
  }
}

const VERSIONS = 12
const genuine = Array.from({ length: VERSIONS }, (_, version) => ({
  base: sign(base(version)),
  overlay: sign(overlay(version)),
}))

/** What a router does with documents, without its network: holds, counts and says. */
function consumer() {
  let held: AcceptedBase | null = null
  let marks: TopologyOverlay | null = null
  const refusals: Problem[][] = []
  return {
    refusals,
    held: () => held,
    marks: () => marks,
    offer(kind: 'base' | 'overlay', text: string): boolean {
      const accepted =
        kind === 'base'
          ? acceptBase(held?.document ?? null, text, KEYS, FLEET)
          : acceptOverlay(marks, text, KEYS, FLEET, held?.snapshot ?? null)
      if (!accepted.ok) {
        refusals.push(accepted.problems)
        return false
      }
      if (kind === 'base') held = accepted.value as AcceptedBase
      else marks = accepted.value as TopologyOverlay
      return true
    },
  }
}

function assertExplained(problems: readonly Problem[], text: string): void {
  const of = `of ${text.slice(0, 120)}`
  assert.ok(problems.length > 0 && problems.length <= PROBLEMS_MAX, of)
  for (const { code, message } of problems) {
    assert.match(code, /^[A-Z0-9_]+$/, of)
    assert.ok(message.length > 10 && message.length < 2_000, `"${message}" ${of}`)
  }
}

const kind = fc.constantFrom('base' as const, 'overlay' as const)
const version = fc.nat(VERSIONS - 1)

/** A document of the wire, and whether it is one that was really published. */
type Sent = { kind: 'base' | 'overlay'; text: string; version: number; isGenuine: boolean }

const published: fc.Arbitrary<Sent> = fc
  .record({ kind, version })
  .map((one) => ({ ...one, text: genuine[one.version]![one.kind], isGenuine: true }))

const truncated: fc.Arbitrary<Sent> = fc
  .record({ sent: published, share: fc.double({ min: 0, max: 0.999, noNaN: true }) })
  .map(({ sent, share }) => ({
    ...sent,
    text: sent.text.slice(0, Math.floor(sent.text.length * share)),
    isGenuine: false,
  }))

const mutated: fc.Arbitrary<Sent> = fc
  .record({
    sent: published,
    at: fc.double({ min: 0, max: 0.99, noNaN: true }),
    byte: fc.integer({ min: 33, max: 126 }),
  })
  .map(({ sent, at, byte }) => {
    const place = Math.floor((sent.text.length - 5) * at)
    const text = sent.text.slice(0, place) + String.fromCharCode(byte) + sent.text.slice(place + 1)
    return { ...sent, text, isGenuine: text === sent.text }
  })

const resigned: fc.Arbitrary<Sent> = fc
  .record({ kind, version: fc.nat(1_000), usesOurName: fc.boolean() })
  .map(({ usesOurName, ...one }) => ({
    ...one,
    text: sign(
      one.kind === 'base' ? base(one.version) : overlay(one.version),
      theirs,
      keyIdOf(usesOurName ? ours : theirs),
    ),
    isGenuine: false,
  }))

const swapped: fc.Arbitrary<Sent> = published.map((sent) => ({
  ...sent,
  kind: sent.kind === 'base' ? 'overlay' : 'base',
  isGenuine: false,
}))

test('of any stream of documents the newest genuine one is held, whole, and every other one is refused and explained', () => {
  const stream = fc.array(
    fc.oneof({ weight: 3, arbitrary: published }, truncated, mutated, resigned, swapped),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(stream, (documents) => {
      const router = consumer()
      const newest = { base: -1, overlay: -1 }
      let refused = 0
      for (const sent of documents) {
        const before = [router.held(), router.marks()]
        const isNews = sent.isGenuine && sent.version > newest[sent.kind]
        assert.equal(router.offer(sent.kind, sent.text), isNews, sent.text.slice(0, 120))
        if (isNews) newest[sent.kind] = sent.version
        else {
          refused++
          assertExplained(router.refusals.at(-1)!, sent.text)
          assert.deepEqual(
            [router.held(), router.marks()].map((one, i) => one === before[i]),
            [true, true],
          )
        }
      }
      assert.equal(router.refusals.length, refused, 'each is counted')
      if (newest.base >= 0) assert.deepEqual(router.held()!.document, JSON.parse(genuine[newest.base]!.base))
      if (newest.overlay >= 0) assert.deepEqual(router.marks(), JSON.parse(genuine[newest.overlay]!.overlay))
    }),
    { numRuns: RUNS },
  )
})

describe('a base that we signed ourselves is refused when its parts do not fit each other', () => {
  const held = acceptBase(null, genuine[0]!.base, KEYS, FLEET)
  const codesOf = (change: object): string[] => {
    const text = sign(base(5, change))
    const result = acceptBase(held.ok ? held.value.document : null, text, KEYS, FLEET)
    assert.ok(!result.ok, `${JSON.stringify(change).slice(0, 120)} was accepted`)
    assertExplained(result.problems, text)
    return result.problems.map(({ code }) => code)
  }
  const table = TABLES.get(SIZES[5 % SIZES.length]!)!

  test('a table, or a former one, of another length', () => {
    fc.assert(
      fc.property(fc.nat(2 * table.length), fc.boolean(), (length, isFormer) => {
        fc.pre(length !== table.length)
        const wrong = encodeTable(new Uint16Array(length))
        const change = isFormer
          ? { former_tables: [{ version: 1, until: SINCE, table: wrong }] }
          : { table: wrong }
        assert.ok(codesOf(change).includes('TOPOLOGY_TABLE_SIZE'))
      }),
      { numRuns: RUNS },
    )
  })

  test('a table with a slot that no cell has, anywhere in it', () => {
    const known = new Set(base(5).cells.map(({ slot }) => slot))
    fc.assert(
      fc.property(fc.nat(table.length - 1), fc.nat(0xffff), (place, slot) => {
        fc.pre(!known.has(slot))
        assert.deepEqual(codesOf({ table: encodeTable(table.with(place, slot)) }), ['TOPOLOGY_TABLE_MISFIT'])
      }),
      { numRuns: RUNS },
    )
  })

  test('an override, or a quarantine cell, with a slot that no cell has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 0xfffe }), fc.boolean(), (slot, isQuarantine) => {
        const override = { tenant: 't', cells: [0, slot], reason: 'pin', generation: 0 }
        const codes = codesOf(isQuarantine ? { quarantine: { cell: slot } } : { overrides: [override] })
        assert.deepEqual(codes, [isQuarantine ? 'TOPOLOGY_CELL_UNKNOWN' : 'TOPOLOGY_OVERRIDE_MISFIT'])
      }),
      { numRuns: RUNS },
    )
  })

  test('cells that are missing, doubled, or none', () => {
    fc.assert(
      fc.property(fc.subarray(base(5).cells.map((_, i) => i)), fc.boolean(), (kept, isDoubled) => {
        const { cells } = base(5)
        const next = kept.map((i) => cells[i]!)
        if (isDoubled && next[0]) next.push(next[0])
        fc.pre(isDoubled || next.filter(({ role }) => role === 'serving').length < cells.length - 1)
        codesOf({ cells: next })
      }),
      { numRuns: RUNS },
    )
  })
})

test('of bases and overlays in any order, an overlay with a slot that no cell has is refused by its own base, and wedges none', () => {
  const document = fc.record({ kind, version, slot: fc.constantFrom(0, 1, 2, 91, 0xfffe) })
  fc.assert(
    fc.property(fc.array(document, { maxLength: 40 }), (documents) => {
      const router = consumer()
      for (const { kind, version, slot } of documents) {
        const before = { base: router.held(), overlay: router.marks() }
        const text = kind === 'base' ? genuine[version]!.base : sign(overlay(version, [slot]))
        const isTaken = router.offer(kind, text)
        const held = router.held()?.document.version
        if (kind === 'base') assert.equal(isTaken, version > (before.base?.document.version ?? -1))
        else {
          // By rights of its age: older and newer bases leave it alone, and its own refuses what it does not know.
          const isNews = version > (before.overlay?.version ?? -1)
          assert.equal(isTaken, isNews && !(held === version && slot > 90))
          if (isNews && !isTaken) {
            assert.equal(router.refusals.at(-1)![0]!.code, 'TOPOLOGY_OVERLAY_MISFIT')
            assertExplained(router.refusals.at(-1)!, text)
          }
          if (!isTaken) assert.equal(router.marks(), before.overlay, 'the last good one stays')
        }
        // Whatever came before: a mark that its base refutes marks nobody, and the next good overlay is taken.
        const { base, overlay: marks } = { base: router.held(), overlay: router.marks() }
        if (!base) continue
        const { out } = unhealthyIndexes(base.snapshot, marks, 0, 0)
        const known = marks?.unhealthy.filter((one) => base.snapshot.indexOfSlot(one.slot) >= 0) ?? []
        assert.equal(out.filter((mark) => mark === 1).length, known.length)
      }
      assert.ok(router.offer('overlay', sign(overlay(VERSIONS, [0], { base_version: 0 }))))
    }),
    { numRuns: RUNS },
  )
})

test('an overlay that names slots or tenants nobody has changes nothing for anybody else', () => {
  const accepted = acceptBase(null, genuine[1]!.base, KEYS, FLEET)
  assert.ok(accepted.ok)
  const { snapshot } = accepted.value
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 100, max: 0xfffe }), { maxLength: 50 }), (slots) => {
      const taken = acceptOverlay(null, sign(overlay(3, slots)), KEYS, FLEET, snapshot)
      assert.ok(taken.ok)
      const marks = unhealthyIndexes(snapshot, taken.value, 0, 0)
      assert.ok(marks.out.every((mark) => mark === 0) && !marks.ignored)
      assert.deepEqual([...quarantinedTenants(snapshot, taken.value)], ['q-3'])
    }),
    { numRuns: RUNS },
  )
})
