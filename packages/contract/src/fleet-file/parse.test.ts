import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fleetFileJsonSchema } from '../json-schema.ts'
import { cellsOf, type FleetFile, parseFleet, parseFleetFile } from './index.ts'

const MINIMAL = {
  format: 1,
  fleet: 'shop',
  kind: 'stateless',
  partition_key: { rules: [{ from: 'header', name: 'x-tenant' }] },
  cells: { count: 4 },
  components: [{ name: 'api', run: 'node api.js', serves: true }],
}

/** The problems of the minimal fleet with some of its fields replaced, as `code path`. */
function findings(change: Record<string, unknown>): string[] {
  const result = parseFleet({ ...MINIMAL, ...change })
  return result.ok ? [] : result.problems.map((p) => `${p.code} ${p.path}`)
}

function fleet(change: Record<string, unknown> = {}): FleetFile {
  const result = parseFleet({ ...MINIMAL, ...change })
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

describe('a fleet file', () => {
  test('needs only what has no sensible default', () => {
    const file = fleet()
    assert.equal(file.placement.shard_size, 2)
    assert.equal(file.placement.buckets, 65_536)
    assert.equal(file.quarantine.enabled, true)
  })

  test('reports every problem with its path, not the first', () => {
    const found = findings({
      typo: 1,
      kind: 'sometimes',
      cells: { list: [{ id: 'Not-A-Label' }, { id: 'b', weight: 'heavy', colour: 'red' }] },
    })
    assert.deepEqual(found.sort(), [
      'INVALID_FORMAT cells.list[0].id',
      'INVALID_TYPE cells.list[1].weight',
      'INVALID_VALUE kind',
      'UNKNOWN_FIELD cells.list[1].colour',
      'UNKNOWN_FIELD typo',
    ])
  })

  test('names a duplicate id with both places', () => {
    const result = parseFleet({ ...MINIMAL, cells: { list: [{ id: 'a' }, { id: 'b' }, { id: 'a' }] } })
    assert.ok(!result.ok)
    assert.deepEqual(
      result.problems.map((p) => [p.code, p.path]),
      [['DUPLICATE_ID', 'cells.list[2].id']],
    )
    assert.match(result.problems[0]!.message, /cells\.list\[0\]/)
  })

  test('refuses two cells on one database, however its address is written, and never prints the password', () => {
    const list = [
      { id: 'a', database: { url: 'postgres://one:s3cret@localhost/app' } },
      { id: 'b', database: { url: 'postgresql://two:0ther@127.0.0.1:5432/app' } },
    ]
    const result = parseFleet({ ...MINIMAL, cells: { list } })
    assert.ok(!result.ok)
    assert.equal(result.problems[0]!.code, 'STORES_SHARED')
    assert.equal(result.problems[0]!.path, 'cells.list[1].database.url')
    assert.doesNotMatch(JSON.stringify(result), /s3cret|0ther/)
  })

  test('keeps metrics itself, sends no spans and tells nobody, unless it is told to', () => {
    assert.deepEqual(fleet().observability, { metrics: 'embedded', alert_webhooks: [] })
    const { traces } = fleet({
      observability: { traces: { otlp_url: 'http://127.0.0.1:4318/v1/traces' } },
    }).observability
    assert.equal(traces?.sample_share, 0.01)
  })

  test('wants a Prometheus with its own metrics setting, and only then', () => {
    const prometheus = { url: 'http://127.0.0.1:9090', token_file: 'prometheus.token' }
    assert.deepEqual(findings({ observability: { metrics: 'prometheus', prometheus } }), [])
    assert.deepEqual(findings({ observability: { metrics: 'prometheus' } }), [
      'INVALID_VALUE observability.prometheus',
    ])
    assert.deepEqual(findings({ observability: { prometheus } }), ['INVALID_VALUE observability.metrics'])
  })

  test('refuses a misspelt receiver, and one with a password in its URL, which it never prints', () => {
    const result = parseFleet({
      ...MINIMAL,
      observability: {
        traces: { url: 'http://127.0.0.1:4318', sample_share: 2 },
        alert_webhooks: [{ url: 'https://ops:s3cret@alerts.test/' }, { url: 'ops:s3cret@alerts.test' }],
      },
    })
    assert.ok(!result.ok)
    assert.deepEqual(result.problems.map((p) => `${p.code} ${p.path}`).sort(), [
      'INVALID_TYPE observability.traces.otlp_url',
      'INVALID_VALUE observability.alert_webhooks[0].url',
      'INVALID_VALUE observability.alert_webhooks[1].url',
      'TOO_LARGE observability.traces.sample_share',
      'UNKNOWN_FIELD observability.traces.url',
    ])
    assert.doesNotMatch(JSON.stringify(result), /s3cret/)
  })

  test('refuses a shard larger than the fleet', () => {
    assert.deepEqual(findings({ cells: { count: 2 }, placement: { shard_size: 3 } }), [
      'SHARD_TOO_LARGE placement.shard_size',
    ])
  })

  test('refuses a weight that no placement can meet, with the weight that could', () => {
    const list = [{ id: 'a', weight: 50 }, { id: 'b' }, { id: 'c' }]
    const result = parseFleet({ ...MINIMAL, cells: { list } })
    assert.ok(!result.ok)
    assert.equal(result.problems[0]!.code, 'WEIGHT_UNREACHABLE')
    assert.match(result.problems[0]!.message, /lower it to 20 or split/)
  })

  test('says why a key that needs a look-up cannot be routed by', () => {
    assert.deepEqual(findings({ partition_key: { rules: [{ from: 'database' }] } }), [
      'PARTITION_KEY_NEEDS_LOOKUP partition_key.rules[0]',
    ])
  })

  test('asks for exactly one serving component', () => {
    assert.deepEqual(findings({ components: [{ name: 'api', run: 'x' }] }), ['INVALID_VALUE components'])
  })

  test('makes more cells than a team can run a deliberate choice', () => {
    assert.deepEqual(findings({ cells: { count: 201 } }), ['TOO_MANY_CELLS cells'])
    assert.deepEqual(findings({ cells: { count: 201, max: 201 } }), [])
  })

  test('wants a JWKS for token keys anywhere but in development', () => {
    const rules = { rules: [{ from: 'jwt', claim: 'customer_id' }] }
    assert.deepEqual(findings({ partition_key: rules }), [])
    assert.deepEqual(findings({ partition_key: rules, stage: 'prod' }), [
      'INVALID_VALUE partition_key.rules[0]',
    ])
  })

  test('takes keys of every kind, and no name that cannot be told apart', () => {
    const key = (rule: Record<string, unknown>) =>
      findings({ partition_key: { rules: [rule] } }).map((finding) => finding.split(' ')[0])
    for (const rule of [
      { from: 'query', name: 'tenant' },
      { from: 'query', name: 'tenant.id', normalise: 'lower-case' },
      { from: 'cookie', name: '__Host-tenant' },
      { from: 'sni', domain: 'example.com' },
      { from: 'jwt', claim: 'sub', normalise: 'none' },
    ]) {
      assert.deepEqual(key(rule), [], JSON.stringify(rule))
    }
    for (const rule of [
      { from: 'query', name: 'a&b' },
      { from: 'query', name: 'a%20b' },
      { from: 'query' },
      { from: 'cookie', name: 'a=b' },
      { from: 'cookie', name: 'a b' },
      { from: 'sni', domain: '.example.com' },
      { from: 'subdomain', domain: 'example.com', normalise: 'none' },
      { from: 'header', name: 'x-tenant', normalise: 'upper-case' },
    ]) {
      assert.equal(key(rule).length > 0, true, JSON.stringify(rule))
    }
  })

  test('says where clients reach each cell by one pattern, or cell by cell', () => {
    const urls = (change: Record<string, unknown>) => cellsOf(fleet(change)).map((cell) => cell.public_url)
    assert.deepEqual(urls({}), [null, null, null, null, null])
    const public_url = 'https://{cell}.example.com'
    const list = [{ id: 'a' }, { id: 'b', public_url: 'https://b.example.net/x' }]
    assert.deepEqual(urls({ cells: { list, public_url } }), [
      ...['https://a.example.com', 'https://b.example.net/x', 'https://quarantine.example.com'],
    ])
    for (const pattern of [
      'https://example.com',
      'ftp://{cell}',
      'https://{cell}/?x',
      'https://u@{cell}/',
      '{cell}',
    ]) {
      assert.deepEqual(findings({ cells: { count: 4, public_url: pattern } }), [
        'INVALID_FORMAT cells.public_url',
      ])
    }
    assert.deepEqual(findings({ cells: { list: [{ id: 'a' }, { id: 'b', public_url: 'https://b/#x' }] } }), [
      'INVALID_VALUE cells.list[1].public_url',
    ])
  })

  test('wants a route’s cell_in to be one of its parameters', () => {
    assert.deepEqual(
      findings({ routes: [{ path: '/v1/orders/{id}', failover: 'read', cell_in: 'order' }] }),
      ['INVALID_VALUE routes[0].cell_in'],
    )
  })

  test('wants a route that is hedged to let an alternate serve it', () => {
    assert.deepEqual(findings({ routes: [{ path: '/a', failover: 'read', hedge_after_ms: 200 }] }), [])
    assert.deepEqual(
      findings({
        routes: [
          { path: '/a', failover: 'home-only', hedge_after_ms: 200 },
          { path: '/b', failover: 'read', hedge_after_ms: 0 },
        ],
      }),
      ['TOO_SMALL routes[1].hedge_after_ms'],
    )
    assert.deepEqual(findings({ routes: [{ path: '/a', failover: 'home-only', hedge_after_ms: 200 }] }), [
      'INVALID_VALUE routes[0].hedge_after_ms',
    ])
  })

  for (const [what, value] of [
    ['a string', 'cells'],
    ['a list', []],
    ['null', null],
    ['a number', 7],
  ] as const) {
    test(`that is ${what} is refused, not thrown at`, () => {
      const result = parseFleet(value)
      assert.ok(!result.ok && result.problems.length > 0)
    })
  }
})

describe('fleet file text', () => {
  test('with broken YAML names line and column', () => {
    const result = parseFleetFile('format: 1\nfleet: [a\nkind: x\n')
    assert.ok(!result.ok)
    assert.equal(result.problems[0]!.code, 'INVALID_YAML')
    assert.match(result.problems[0]!.message, /line \d+, column \d+/)
  })

  test('with a key twice is refused', () => {
    const result = parseFleetFile('format: 1\nformat: 1\n')
    assert.ok(!result.ok && result.problems[0]!.code === 'INVALID_YAML')
  })

  test('with an alias bomb is refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      )
    const result = parseFleetFile(lines.join('\n'))
    assert.ok(!result.ok)
  })

  test('over the size limit is refused before it is parsed', () => {
    const result = parseFleetFile(`# ${'x'.repeat(1_100_000)}`)
    assert.ok(!result.ok && result.problems[0]!.code === 'TOO_LARGE')
  })
})

describe('the declared cells', () => {
  test('are numbered, spread over the zones in turn, and end with the quarantine cell', () => {
    const cells = cellsOf(fleet({ cells: { count: 4, zones: ['a', 'b'] } }))
    assert.deepEqual(
      cells.map((c) => [c.id, c.zone, c.role]),
      [
        ['cell-001', 'a', 'serving'],
        ['cell-002', 'b', 'serving'],
        ['cell-003', 'a', 'serving'],
        ['cell-004', 'b', 'serving'],
        ['quarantine', 'a', 'quarantine'],
      ],
    )
  })

  test('inherit what they do not set', () => {
    const [a, b] = cellsOf(
      fleet({
        cells: {
          list: [{ id: 'a' }, { id: 'b', weight: 8, capacity: { in_flight: 7 } }, { id: 'c' }],
          capacity: { in_flight: 3, tenants: 9 },
        },
      }),
    )
    assert.deepEqual(a?.capacity, { in_flight: 3, tenants: 9 })
    assert.deepEqual([b?.weight, b?.capacity], [8, { in_flight: 7, tenants: 9 }])
  })
})

test('the JSON Schema describes every top-level field and allows no others', () => {
  const schema = fleetFileJsonSchema() as {
    properties: object
    additionalProperties: boolean
    required: string[]
  }
  assert.equal(schema.additionalProperties, false)
  assert.deepEqual(schema.required.sort(), [
    'cells',
    'components',
    'fleet',
    'format',
    'kind',
    'partition_key',
  ])
  assert.ok('placement' in schema.properties)
})
