import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import {
  encodeTable,
  keyIdOf,
  type Override,
  signDocument,
  type TopologyBase,
  type TrustedKeys,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import {
  buildSnapshot,
  type Held,
  openSnapshot,
  rowGeneration,
  rowSource,
  type Snapshot,
  shardOf,
  shardRow,
  shardsOf,
} from '@cellplane/core'
import type { RoutingVectors } from '@cellplane/core/routing-vectors'
import fc from 'fast-check'
import { READER_LIMITS, readDocumentAside } from './document-reader.ts'
import { type Chunks, readDocument, TOPOLOGY_UNREADABLE as UNREADABLE } from './read-document.ts'

const FLEET = 'shop'
const CELLS = 8
const BUCKETS = 64
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const KEYS: TrustedKeys = new Map([[keyIdOf(publicKey), publicKey]])

/** So that every document is large, and every one small. */
const ASIDE = { ...READER_LIMITS, inPlaceBytesMax: 0, firstInPlaceBytesMax: 0 }
const IN_PLACE = { ...ASIDE, inPlaceBytesMax: 1e9, firstInPlaceBytesMax: 1e9 }

function baseOf(overrides: readonly Override[], more: Partial<UnsignedTopologyBase> = {}): string {
  const table = (shift: number) =>
    encodeTable(Uint16Array.from({ length: 2 * BUCKETS }, (_, place) => (place + shift) % CELLS))
  const base: UnsignedTopologyBase = {
    format: 1,
    kind: 'base',
    fleet: FLEET,
    fleet_kind: 'stateful',
    epoch: 1,
    version: 1,
    issued_at: '2026-01-01T00:00:00Z',
    topology_ttl_seconds: 60,
    hash: { name: 'xxh32', version: 1, seed: 7, buckets: BUCKETS },
    placement: { algorithm: 'by-hand', version: 1 },
    shard_size: 2,
    choice: 'home-first',
    cells: Array.from({ length: CELLS }, (_, slot) => ({
      slot,
      id: `cell-${slot}`,
      zone: 'local',
      region: 'local',
      role: slot === CELLS - 1 ? 'quarantine' : 'serving',
      state: 'active',
      endpoints: { http: `http://127.0.0.1:${7500 + slot}` },
      capacity: {},
      weight: 10,
      release: 'r1',
    })),
    table: table(0),
    former_tables: [{ version: 0, until: '2027-01-01T00:00:00Z', table: table(3) }],
    overrides: [...overrides],
    partition_key: [{ from: 'header', name: 'x-tenant' }],
    tokens: null,
    routes: [],
    quarantine: { cell: CELLS - 1 },
    limits: { ramp_seconds: 1, unhealthy_share_max: 0.5 },
    ...more,
  }
  return JSON.stringify(signed(base))
}

const signed = (document: object) => signDocument(document, keyIdOf(publicKey), privateKey)

/** In parts, the seams within characters too. */
function chunksOf(text: string, length = 1000): Chunks {
  const bytes = Buffer.from(text)
  return Array.from(
    { length: Math.ceil(bytes.length / length) },
    (_, i) => new Uint8Array(bytes.subarray(i * length, (i + 1) * length)),
  )
}

const never = new AbortController().signal

function read(text: string, limits = ASIDE, held: Held | null = null, signal = never) {
  const order = { kind: 'base', held, keys: KEYS, fleet: FLEET } as const
  return readDocumentAside(order, chunksOf(text), signal, limits)
}

/** The refusal, as `CODE message`; empty when the document was taken. */
async function refusal(...order: Parameters<typeof read>): Promise<string> {
  const result = await read(...order)
  return result.ok ? '' : `${result.problems[0]!.code} ${result.problems[0]!.message}`
}

async function snapshotOf(text: string, limits = ASIDE): Promise<Snapshot> {
  const result = await read(text, limits)
  assert.ok(result.ok, JSON.stringify(result))
  return openSnapshot(result.value)
}

/** All that routing can ask of a snapshot about a key. */
function decisionsOf(snapshot: Snapshot, keys: readonly string[]) {
  return keys.map((key) => {
    const row = shardRow(snapshot, key)
    const cells = shardsOf(snapshot, row, key).map((index) => snapshot.cells[index])
    return [row, shardOf(snapshot, row), rowSource(snapshot, row), rowGeneration(snapshot, row), cells]
  })
}

const tenant = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '-', '7'), minLength: 1, maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('é', '漢', '🦊', 'x'), minLength: 1, maxLength: 10 }),
)
const override = (name: string): fc.Arbitrary<Override> =>
  fc.record({
    tenant: fc.constant(name),
    cells: fc.uniqueArray(fc.nat(CELLS - 1), { minLength: 1, maxLength: 3 }),
    reason: fc.constantFrom('pin', 'assignment', 'quarantine', 'migration'),
    generation: fc.maxSafeNat(),
  })
const overridesAndKeys = fc
  .uniqueArray(tenant, { minLength: 1, maxLength: 60 })
  .chain((names) =>
    fc.tuple(fc.tuple(...names.slice(0, Math.ceil(names.length / 2)).map(override)), fc.constant(names)),
  )

/** As it is after its way from one process to another. */
function passedOn(text: string): Snapshot {
  const packed = readDocument({ kind: 'base', text, held: null, keys: KEYS, fleet: FLEET })
  assert.ok(packed.ok, JSON.stringify(packed))
  return openSnapshot(deserialize(serialize(packed.value)))
}

function assertAlike(one: Snapshot, other: Snapshot, keys: readonly string[]): void {
  assert.deepEqual(decisionsOf(one, keys), decisionsOf(other, keys))
  assert.deepEqual(one.base, other.base)
  for (const { slot, id } of other.cells) {
    assert.equal(one.indexOfSlot(slot), other.indexOfSlot(slot))
    assert.equal(one.indexOfCell(id), other.indexOfCell(id))
  }
  assert.equal(one.indexOfSlot(50_000), -1)
}

describe('a snapshot that was passed on decides as one that was not', () => {
  test('whatever the overrides', () => {
    fc.assert(
      fc.property(overridesAndKeys, ([overrides, keys]) => {
        const text = baseOf(overrides)
        const snapshot = buildSnapshot(JSON.parse(text))
        assert.ok(snapshot.ok)
        assertAlike(passedOn(text), snapshot.value, keys)
      }),
      { numRuns: 50 },
    )
  })

  test('by every routing vector', () => {
    const file = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
    const vectors = JSON.parse(readFileSync(file, 'utf8')) as RoutingVectors
    for (const { base, cases } of vectors.fleets) {
      const snapshot = passedOn(JSON.stringify(signed({ ...base, fleet: FLEET })))
      for (const { name, expected } of cases) {
        if (expected.key === undefined) continue
        const row = shardRow(snapshot, expected.key)
        // What is quarantined by the overlay is in another row.
        if (expected.row_source !== rowSource(snapshot, row)) continue
        assert.equal(rowGeneration(snapshot, row), expected.generation, name)
        assert.deepEqual(
          shardOf(snapshot, row).map((index) => snapshot.cells[index]!.id),
          expected.candidates,
          name,
        )
      }
    }
  })
})

describe('a document that is read in a process of its own', { concurrency: 2 }, () => {
  test('is read as in place', async () => {
    const overrides = Array.from({ length: 5_000 }, (_, nth) => ({
      tenant: nth % 2 === 0 ? `tenant-${nth}` : `mieter-ä-漢-${nth}`,
      cells: [nth % CELLS, (nth + 1) % CELLS],
      reason: 'assignment' as const,
      generation: nth,
    }))
    const text = baseOf(overrides)
    const keys = ['acme', ...overrides.map((override) => override.tenant)]
    assertAlike(await snapshotOf(text, ASIDE), await snapshotOf(text, IN_PLACE), keys)
  })

  test('is refused for what it would be refused for in place', async () => {
    const { epoch, version, signature } = JSON.parse(baseOf([])) as TopologyBase
    const held = { epoch, version, signature }
    const cases: [RegExp, string, Held | null][] = [
      [/^TOPOLOGY_NOT_JSON/, '{"format":1,', null],
      [/^TOPOLOGY_SIGNATURE_INVALID/, baseOf([]).replace('"weight":10', '"weight":11'), null],
      [/^TOPOLOGY_UNCHANGED/, baseOf([]), held],
    ]
    for (const [expected, text, held] of cases) {
      const found = await refusal(text, ASIDE, held)
      assert.match(found, expected)
      assert.equal(found, await refusal(text, IN_PLACE, held))
    }
  })

  test('and is an overlay is handed over as it is', async () => {
    const overlay = {
      format: 1,
      kind: 'overlay',
      fleet: FLEET,
      epoch: 1,
      version: 1,
      base_version: 1,
      issued_at: '2026-01-01T00:00:00Z',
      unhealthy: [{ slot: 1, since: '2026-01-01T00:00:00Z', reason: 'probe' }],
      quarantined: [],
    }
    const text = JSON.stringify(signed(overlay))
    const order = { kind: 'overlay', held: null, keys: KEYS, fleet: FLEET } as const
    const result = await readDocumentAside(order, chunksOf(text), never, ASIDE)
    assert.deepEqual(result.ok && result.value, JSON.parse(text))
  })
})

describe('a document that no process can read is refused, and costs its process alone:', {
  concurrency: 2,
}, () => {
  /** Three bytes each, and twenty times that when parsed. */
  const explosive = `[${'{},'.repeat(1_000_000)}{}]`

  test('one that takes more memory than it may', async () => {
    const limits = { ...ASIDE, heapMibMax: 32 }
    assert.match(await refusal(explosive, limits), new RegExp(`^${UNREADABLE} .* 32 MiB of memory`))
    assert.equal(await refusal(baseOf([]), limits), '', 'the next is read')
  })

  test('one that takes more time than it may', async () => {
    assert.match(
      await refusal(explosive, { ...ASIDE, readMsMax: 1 }),
      new RegExp(`^${UNREADABLE} .* more than 1 ms`),
    )
  })

  test('one that comes while no more files can be opened', async () => {
    const reader = new URL('./document-reader.ts', import.meta.url).href
    // That it ends by itself shows that nothing of the attempt is left, as its time limit would be.
    const script = `
      import { closeSync, openSync } from 'node:fs'
      const { READER_LIMITS, readDocumentAside } = await import(${JSON.stringify(reader)})
      const order = { kind: 'base', held: null, keys: new Map(), fleet: 'shop' }
      const limits = { ...READER_LIMITS, firstInPlaceBytesMax: 0 }
      const read = async () => {
        const result = await readDocumentAside(order, [Buffer.from('{')], new AbortController().signal, limits)
        console.log(result.problems[0].code, result.problems[0].message)
      }
      const open = []
      try {
        for (;;) open.push(openSync('/dev/null'))
      } catch {}
      await read()
      for (const file of open) closeSync(file)
      await read()`
    const argv = ['--input-type=module', '--eval', script]
    const limited = ['-c', 'ulimit -n 128 && exec "$@"', 'sh', process.execPath, ...argv]
    const { stdout } = await promisify(execFile)('sh', limited, { timeout: READER_LIMITS.readMsMax / 2 })
    const [first, next] = stdout.split('\n')
    assert.match(first!, new RegExp(`^${UNREADABLE} .* could not be started: .*EMFILE.*ulimit -n`))
    // Its process found nobody to trust, which is an answer.
    assert.match(next!, /^INVALID_TYPE found no keys/, 'the next is read')
  })

  test('one that is being read when the router stops, or comes after that', async () => {
    const stopping = new AbortController()
    const reading = refusal(explosive, ASIDE, null, stopping.signal)
    stopping.abort()
    assert.match(await reading, new RegExp(`^${UNREADABLE} .* the router stops`))
    assert.match(await refusal(baseOf([]), ASIDE, null, stopping.signal), new RegExp(`^${UNREADABLE} `))
  })
})
