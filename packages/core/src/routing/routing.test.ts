import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  encodeTable,
  formatCellNamingId,
  type KeyRule,
  partitionKeyProblem,
  type Route,
} from '@cellplane/contract'
import fc from 'fast-check'
import { bucketOf } from '../hash/bucket.ts'
import { exampleBase, exampleFleet, SINCE, unwrap } from '../topology/example-fleet.ts'
import { buildRoutingIndex } from '../topology/pack-index.ts'
import type { RoutingIndex } from '../topology/routing-index.ts'
import { chooseCell, DRAWS } from './choose-cell.ts'
import { mayFailOver, mayRetry } from './failover.ts'
import { findPartitionKey, keyByRule, namedKey, sourceKey } from './partition-key.ts'
import { compileRoutes, matchRoute } from './routes.ts'
import { formerShardOf, rowGeneration, rowSource, shardOf, shardRow } from './rows.ts'

/** Cells 0–3 and the quarantine cell 4; every bucket has cells 0 (home) and 1, and once had 2 and a cell that is gone. */
function exampleIndex(
  choice = 'home-first',
  overrides: [string, number[], 'pin' | 'assignment', number][] = [],
): RoutingIndex {
  const base = exampleBase({
    fleet: exampleFleet({ placement: { buckets: 256, choice } }),
    overrides: overrides.map(([tenant, cells, reason, generation]) => ({
      tenant,
      cells,
      reason,
      generation,
    })),
  })
  const fill = (row: number[]) => encodeTable(new Uint16Array(512).map((_, i) => row[i % 2]!))
  return unwrap(
    buildRoutingIndex({
      ...base,
      table: fill([0, 1]),
      former_tables: [{ version: 1, until: SINCE, table: fill([2, 77]) }],
    }),
  )
}

describe('the row of a key', () => {
  const index = exampleIndex('home-first', [
    ['pinned', [3, 2, 0], 'pin', 0],
    ['assigned', [2], 'assignment', 7],
  ])

  test('is its bucket’s', () => {
    const base = exampleBase()
    const { seed, buckets } = base.hash
    const placed = unwrap(buildRoutingIndex(base))
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 300 }), (key) => {
        const row = shardRow(placed, key)
        assert.equal(row, bucketOf(key, seed, buckets))
        assert.equal(rowSource(placed, row), 'table')
        assert.equal(shardOf(placed, row).length, 2)
      }),
      { numRuns: 100 },
    )
  })

  test('is its override’s, with reason and generation', () => {
    const pinned = shardRow(index, 'pinned')
    assert.deepEqual(
      [shardOf(index, pinned), rowSource(index, pinned), rowGeneration(index, pinned)],
      [[3, 2, 0], 'pin', 0],
    )
    const assigned = shardRow(index, 'assigned')
    assert.deepEqual(
      [shardOf(index, assigned), rowSource(index, assigned), rowGeneration(index, assigned)],
      [[2], 'assignment', 7],
    )
    assert.equal(rowGeneration(index, shardRow(index, 'acme')), 0)
  })

  test('of a quarantined tenant is the quarantine cell alone', () => {
    assert.deepEqual(shardOf(index, index.quarantineRow), [4])
    assert.equal(rowSource(index, index.quarantineRow), 'quarantine')
    assert.equal(rowGeneration(index, index.quarantineRow), 0)
  })

  test('has a former shard: cells of former tables, and of the table under an override, that are still there', () => {
    assert.deepEqual(formerShardOf(index, 'acme'), [2])
    assert.deepEqual(formerShardOf(index, 'pinned'), [1])
    assert.deepEqual(formerShardOf(index, 'assigned'), [0, 1])
  })
})

describe('the choice of a cell', () => {
  const choose = (
    index: RoutingIndex,
    fitness: number[],
    { inFlight = [0, 0, 0, 0, 0], draw = 128, excluded = -1, key = 'acme' } = {},
  ) =>
    chooseCell(
      index,
      shardRow(index, key),
      Uint8Array.from(fitness),
      Uint32Array.from(inFlight),
      draw,
      excluded,
    )
  const homeFirst = exampleIndex('home-first', [['pinned', [3, 2, 0], 'pin', 0]])
  const threeCells: Parameters<typeof exampleIndex>[1] = [['pinned', [3, 2, 0], 'pin', 0]]
  const leastLoaded = exampleIndex('least-loaded', threeCells)
  const weighted = exampleIndex('weighted', threeCells)
  /** The same, where cell 0 has so many times the weight of the others. */
  const withWeight = (index: RoutingIndex, times: number): RoutingIndex => ({
    ...index,
    weights: index.weights.map((weight, cell) => (cell === 0 ? weight * times : weight)),
  })
  const FIT = [255, 255, 255, 255, 255]

  /** By cell: its part of many draws that are spread evenly. */
  function shares(index: RoutingIndex, fitness: number[], more: Parameters<typeof choose>[2] = {}): number[] {
    const draws = 20_000
    const counts = [0, 0, 0, 0, 0]
    // The golden ratio: multiples of it fill [0, 1) evenly, and so do their last digits.
    for (let i = 0; i < draws; i++) {
      const draw = Math.floor(((i * 0.6180339887498949) % 1) * DRAWS)
      const cell = choose(index, fitness, { ...more, draw })
      counts[cell]!++
    }
    return counts.map((count) => count / draws)
  }

  function assertNear(found: readonly number[], expected: readonly number[]): void {
    const isNear = found.every((share, cell) => Math.abs(share - expected[cell]!) < 0.015)
    assert.ok(isNear, `found ${found}; expected about ${expected}`)
  }

  test('home-first takes the home while it is fit, then the next', () => {
    assert.equal(choose(homeFirst, FIT), 0)
    assert.equal(choose(homeFirst, [0, 255, 255, 255, 255]), 1)
    assert.equal(choose(homeFirst, FIT, { key: 'pinned' }), 3)
    assert.equal(choose(homeFirst, [255, 255, 255, 0, 255], { key: 'pinned' }), 2)
  })

  test('least-loaded takes of two the one with less in flight, whatever the draw', () => {
    assert.deepEqual(shares(leastLoaded, FIT, { inFlight: [5, 4, 0, 0, 0] }), [0, 1, 0, 0, 0])
    assert.deepEqual(shares(leastLoaded, [255, 0, 255, 255, 255], { inFlight: [5, 4, 0, 0, 0] }), [
      ...[1, 0, 0, 0, 0],
    ])
  })

  test('least-loaded weighs what is in flight by the cells’ weights', () => {
    const index = withWeight(leastLoaded, 3)
    assert.deepEqual(shares(index, FIT, { inFlight: [14, 5, 0, 0, 0] }), [1, 0, 0, 0, 0])
    assert.deepEqual(shares(index, FIT, { inFlight: [16, 5, 0, 0, 0] }), [0, 1, 0, 0, 0])
  })

  test('least-loaded takes two of three at random: the most loaded never, the least loaded when it is among them', () => {
    assertNear(shares(leastLoaded, FIT, { inFlight: [3, 0, 2, 1, 0], key: 'pinned' }), [
      0,
      0,
      1 / 3,
      2 / 3,
      0,
    ])
  })

  test('a tie is drawn by weight', () => {
    for (const inFlight of [
      [0, 0, 0, 0, 0],
      [9, 3, 0, 0, 0],
    ]) {
      assertNear(shares(withWeight(leastLoaded, 3), FIT, { inFlight }), [3 / 4, 1 / 4, 0, 0, 0])
    }
    assertNear(shares(leastLoaded, FIT, { key: 'pinned' }), [1 / 3, 0, 1 / 3, 1 / 3, 0])
  })

  test('weighted draws by weight from what is fit', () => {
    const index = withWeight(weighted, 2)
    assertNear(shares(index, FIT, { inFlight: [99, 0, 0, 0, 0] }), [2 / 3, 1 / 3, 0, 0, 0])
    assertNear(shares(index, FIT, { key: 'pinned' }), [1 / 2, 0, 1 / 4, 1 / 4, 0])
    assertNear(shares(index, [255, 255, 0, 255, 255], { key: 'pinned' }), [2 / 3, 0, 0, 1 / 3, 0])
    assertNear(shares(index, FIT, { key: 'pinned', excluded: 0 }), [0, 0, 1 / 2, 1 / 2, 0])
  })

  test('a ramping cell takes the part of its usual share that its fitness is', () => {
    for (const [index, usual] of [
      [homeFirst, 1],
      [leastLoaded, 1 / 2],
      [weighted, 1 / 2],
    ] as const) {
      for (const fit of [1, 64, 200]) {
        const share = (usual * fit) / 255
        assertNear(shares(index, [fit, 255, 255, 255, 255]), [share, 1 - share, 0, 0, 0])
      }
    }
  })

  test('a ramping cell never takes more than its fitness, though it fails so fast that it always looks idle', () => {
    for (const index of [leastLoaded, weighted]) {
      const [taken] = shares(index, [25, 255, 255, 255, 255], { inFlight: [0, 50, 0, 0, 0] })
      assert.ok(taken! < 25 / 255 + 0.01, `${taken}`)
    }
  })

  test('the load of a ramping cell counts for what it can carry now', () => {
    const inFlight = [3, 4, 0, 0, 0]
    assert.equal(shares(leastLoaded, [128, 255, 255, 255, 255], { inFlight })[0], 0)
    assert.ok(shares(leastLoaded, [200, 255, 255, 255, 255], { inFlight })[0]! > 0.7)
  })

  test('of cells that are all passed over, the fittest is taken', () => {
    for (const index of [homeFirst, leastLoaded, weighted]) {
      assert.equal(choose(index, [10, 200, 255, 255, 255], { draw: 254 }), 1)
      assert.equal(choose(index, [200, 10, 255, 255, 255], { draw: 254 }), 0)
    }
  })

  test('a ramping cell is better than none', () => {
    assert.equal(choose(homeFirst, [0, 1, 255, 255, 255], { draw: 254 }), 1)
    assert.equal(choose(leastLoaded, [1, 0, 255, 255, 255], { draw: 254 }), 0)
  })

  test('when all are out the first is taken, so that the failure shows', () => {
    assert.equal(choose(homeFirst, [0, 0, 255, 255, 255]), 0)
    assert.equal(choose(leastLoaded, [0, 0, 255, 255, 255], { inFlight: [9, 0, 0, 0, 0] }), 0)
    assert.equal(choose(weighted, [0, 0, 255, 255, 255]), 0)
  })

  test('an excluded cell is not taken again, though nothing else is left', () => {
    assert.equal(choose(homeFirst, FIT, { excluded: 0 }), 1)
    assert.equal(choose(leastLoaded, FIT, { excluded: 1 }), 0)
    assert.equal(choose(homeFirst, [255, 0, 255, 255, 255], { excluded: 0 }), -1)
  })

  test('never leaves the row, and takes an excluded cell in no case', () => {
    const arbitrary = fc.record({
      fitness: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 5, maxLength: 5 }),
      inFlight: fc.array(fc.nat(50), { minLength: 5, maxLength: 5 }),
      draw: fc.integer({ min: 0, max: DRAWS - 1 }),
      excluded: fc.integer({ min: -1, max: 4 }),
      key: fc.constantFrom('acme', 'pinned'),
    })
    fc.assert(
      fc.property(
        arbitrary,
        fc.constantFrom(homeFirst, leastLoaded, weighted),
        ({ fitness, ...more }, index) => {
          const cell = choose(index, fitness, more)
          const shard = shardOf(index, shardRow(index, more.key))
          assert.ok(cell === -1 || (shard.includes(cell) && cell !== more.excluded))
          if (more.excluded !== shard[0]) assert.notEqual(cell, -1)
          // What is out is taken only when nothing else is left.
          if (cell >= 0 && fitness[cell] === 0)
            assert.ok(shard.every((one) => one === more.excluded || fitness[one] === 0))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('the partition key', () => {
  const find = (rules: KeyRule[], headers: Record<string, string>, host = 'localhost', path = '/') =>
    findPartitionKey(rules, { header: (name) => headers[name], host, path })
  const header: KeyRule = { from: 'header', name: 'x-tenant' }
  const jwt: KeyRule = { from: 'jwt', claim: 'customer_id' }
  const subdomain: KeyRule = { from: 'subdomain', domain: 'example.com' }
  const path: KeyRule = { from: 'path', prefix: '/t/' }

  test('is found by the first rule that is present', () => {
    assert.deepEqual(find([jwt, header], { 'x-tenant': 'acme' }), { kind: 'key', key: 'acme', rule: 1 })
    assert.deepEqual(find([jwt, header], { 'x-tenant': 'acme', authorization: 'Bearer a.b.c' }), {
      kind: 'token',
      token: 'a.b.c',
      claim: 'customer_id',
      rule: 0,
    })
    assert.deepEqual(find([jwt, header], {}), { kind: 'none' })
  })

  test('may be in a bearer token, whatever the case of the scheme; other schemes are no token', () => {
    for (const [authorization, token] of [
      ['bearer x', 'x'],
      ['BEARER   x', 'x'],
      ['Bearer', ''],
      ['Bearer ', ''],
      ['Basic eDp5', undefined],
      ['Bearerx', undefined],
    ] as const) {
      const found = find([jwt], { authorization })
      assert.equal(found.kind === 'token' ? found.token : undefined, token, authorization)
    }
  })

  test('may be one label below a domain', () => {
    const key = (host: string) => {
      const found = find([subdomain], {}, host)
      return found.kind === 'key' ? found.key : found.kind
    }
    assert.equal(key('acme.example.com'), 'acme')
    assert.equal(key('ACME.Example.com.:8080'), 'acme')
    for (const host of [
      'example.com',
      'a.b.example.com',
      'acme.example.org',
      'badexample.com',
      '[::1]:80',
      '',
    ]) {
      assert.equal(key(host), 'none', host)
    }
    assert.equal(key('.example.com'), 'invalid')
  })

  test('may be a segment of the path, percent-decoded', () => {
    const key = (target: string) => {
      const found = find([path], {}, 'localhost', target)
      return found.kind === 'key' ? found.key : found.kind
    }
    assert.equal(key('/t/acme/orders?x=1'), 'acme')
    assert.equal(key('/t/acme?x=/y'), 'acme')
    assert.equal(key('/t/caf%C3%A9'), 'café')
    assert.equal(key('/other/acme'), 'none')
    assert.equal(key('/t'), 'none')
    for (const target of ['/t/', '/t/?x', '/t/%', '/t/%ff/x', '/t/%00'])
      assert.equal(key(target), 'invalid', target)
  })

  test('that is empty, too long, or has control characters is invalid, and no other rule is tried', () => {
    for (const bad of ['', 'x'.repeat(10_000), 'é'.repeat(200), 'a\u0000b', ' a']) {
      const found = find([header, path], { 'x-tenant': bad }, 'localhost', '/t/acme')
      assert.equal(found.kind, 'invalid', JSON.stringify(bad.slice(0, 10)))
      assert.ok(found.kind === 'invalid' && found.why.length < 200)
    }
  })

  test('in a parameter is what was put into it, whatever stands around it', () => {
    const rules: KeyRule[] = [{ from: 'query', name: 'tenant' }]
    const word = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map(encodeURIComponent)
    const others = fc.array(fc.tuple(word, word), { maxLength: 5 })
    const key = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter((text) => partitionKeyProblem(text) === undefined)
    fc.assert(
      fc.property(others, key, others, (before, tenant, after) => {
        const pairs = [...before, ['tenant', encodeURIComponent(tenant)] as const, ...after]
        const query = pairs.filter(([name], i) => name !== 'tenant' || i === before.length)
        const found = find(rules, {}, '', `/x?${query.map((pair) => pair.join('=')).join('&')}`)
        assert.deepEqual(found, { kind: 'key', key: tenant, rule: 0 })
      }),
      { numRuns: 300 },
    )
  })

  test('is looked for in time that grows with the text, not faster', () => {
    const texts = ['&', ';', '%', '%7', 'tenan=&', '%74enan&', '=', '; ', '"; ']
    const cookie: KeyRule = { from: 'cookie', name: 'tenant' }
    const query: KeyRule = { from: 'query', name: 'tenant' }
    for (const text of texts) {
      const long = text.repeat(200_000)
      const startedAt = performance.now()
      assert.equal(find([query], {}, '', `/?${long}`).kind, 'none')
      assert.equal(find([cookie], { cookie: long }).kind, 'none')
      // A square of it would be hours.
      assert.ok(performance.now() - startedAt < 10_000, text)
    }
  })

  test('that is named apart from a request is read as requests are, where all rules agree', () => {
    const lower: KeyRule = { from: 'header', name: 'x-tenant', normalise: 'lower-case' }
    assert.equal(namedKey([lower, subdomain], 'ACME-Ü'), 'acme-Ü')
    assert.equal(namedKey([lower, jwt], 'ACME'), 'ACME')
    assert.equal(keyByRule({ ...jwt, normalise: 'lower-case' } as KeyRule, 'ACME'), 'acme')
    assert.equal(keyByRule(jwt, 'ACME'), 'ACME')
  })

  test('may be the source address: one address, one key', () => {
    assert.equal(sourceKey('::ffff:10.1.2.3'), sourceKey('10.1.2.3'))
    assert.equal(sourceKey('fe80::1%eth0'), sourceKey('fe80::1'))
    assert.notEqual(sourceKey('10.1.2.3'), sourceKey('10.1.2.4'))
  })
})

describe('a route', () => {
  const routes: Route[] = [
    { methods: ['GET'], path: '/v1/things/{id}', failover: 'read', cell_in: 'id' },
    { path: '/v1/things/{id}/parts/*', failover: 'any' },
    { methods: ['POST'], path: '/v1/things', failover: 'home-only' },
    { path: '/files/a.b-c~d', failover: 'any' },
  ]
  const match = (method: string, path: string, kind: 'stateless' | 'stateful' = 'stateless') => {
    const { failover, wantedSlot, route } = matchRoute(compileRoutes(routes, kind), method, path)
    return [route ? routes.indexOf(route) : -1, failover, wantedSlot]
  }

  test('is the first whose method and path fit', () => {
    assert.deepEqual(match('GET', '/v1/things/x'), [0, 'read', -1])
    assert.deepEqual(match('HEAD', '/v1/things/x?y=1'), [0, 'read', -1])
    assert.deepEqual(match('PUT', '/v1/things/7/parts/a/b'), [1, 'any', -1])
    assert.deepEqual(match('POST', '/v1/things'), [2, 'home-only', -1])
    assert.deepEqual(match('GET', '/files/a.b-c~d'), [3, 'any', -1])
  })

  test('does not fit half a path, and its dots are dots', () => {
    for (const path of ['/v1/things', '/v1/things/', '/v1/things/a/b', '/x/v1/things/a', '/files/aXb-c~d']) {
      assert.equal(match('GET', path)[0], -1, path)
    }
  })

  test('finds the cell that an id names', () => {
    const id = formatCellNamingId('thg', 1021, '01jd')
    assert.deepEqual(match('GET', `/v1/things/${id}`), [0, 'read', 1021])
    assert.deepEqual(match('GET', '/v1/things/thg_!_01jd'), [0, 'read', -1])
  })

  test('that is not declared lets alternates do what the kind of fleet allows', () => {
    assert.deepEqual(match('GET', '/other'), [-1, 'any', -1])
    assert.deepEqual(match('POST', '/other'), [-1, 'any', -1])
    assert.deepEqual(match('GET', '/other', 'stateful'), [-1, 'read', -1])
    assert.deepEqual(match('POST', '/other', 'stateful'), [-1, 'home-only', -1])
  })
})

describe('failover and retry', () => {
  const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH']
  const allowed = (decide: (method: string) => boolean) => METHODS.filter(decide).join(' ')

  test('an alternate may do what the policy says', () => {
    assert.equal(
      allowed((m) => mayFailOver('any', m, false)),
      METHODS.join(' '),
    )
    assert.equal(
      allowed((m) => mayFailOver('idempotent', m, false)),
      'GET HEAD OPTIONS PUT DELETE',
    )
    assert.equal(
      allowed((m) => mayFailOver('idempotent', m, true)),
      METHODS.join(' '),
    )
    assert.equal(
      allowed((m) => mayFailOver('read', m, true)),
      'GET HEAD OPTIONS',
    )
    assert.equal(
      allowed((m) => mayFailOver('home-only', m, true)),
      '',
    )
  })

  test('when nothing was sent, another cell is no repetition: the policy decides', () => {
    assert.equal(
      allowed((m) => mayRetry('any', m, false, 'nothing')),
      METHODS.join(' '),
    )
    assert.equal(
      allowed((m) => mayRetry('idempotent', m, false, 'nothing')),
      'GET HEAD OPTIONS PUT DELETE',
    )
    assert.equal(
      allowed((m) => mayRetry('read', m, false, 'nothing')),
      'GET HEAD OPTIONS',
    )
    assert.equal(
      allowed((m) => mayRetry('home-only', m, true, 'nothing')),
      '',
    )
  })

  test('when something was sent, only what can be repeated goes out again', () => {
    assert.equal(
      allowed((m) => mayRetry('any', m, false, 'something')),
      'GET HEAD OPTIONS PUT DELETE',
    )
    assert.equal(
      allowed((m) => mayRetry('any', m, true, 'something')),
      METHODS.join(' '),
    )
    assert.equal(
      allowed((m) => mayRetry('read', m, true, 'something')),
      'GET HEAD OPTIONS',
    )
    assert.equal(
      allowed((m) => mayRetry('home-only', m, true, 'something')),
      '',
    )
  })
})
