import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lintPartitionKey } from './lint-partition-key.ts'
import { sizeFleet } from './size-fleet.ts'

describe('the size of a fleet', () => {
  const GUIDE = { peak_requests_per_second: 50_000, largest_tenant_requests_per_second: 1_000 }
  const warnings = (...args: Parameters<typeof sizeFleet>) =>
    sizeFleet(...args)
      .findings.filter((finding) => finding.isWarning)
      .map((finding) => finding.text)

  test('is ceil(peak / ceiling × 1.5): the guide’s 50 K over 5 K is 15', () => {
    const report = sizeFleet(GUIDE, 16, { requests_per_second: 5_000 }, 2)
    assert.deepEqual([report.cellsNeeded, report.ceilingFrom, report.tenantCap], [15, 'declared', 2_500])
    assert.deepEqual(warnings(GUIDE, 16, { requests_per_second: 5_000 }, 2), [])
  })

  test('is a warning when fewer cells are planned', () => {
    assert.match(
      warnings(GUIDE, 14, { requests_per_second: 5_000 }, 2).join(),
      /= 15 cells carry the peak .* 14 are planned/,
    )
  })

  test('starts from five times the largest tenant where no ceiling is declared', () => {
    const report = sizeFleet(GUIDE, 16, {}, 2)
    assert.deepEqual([report.ceiling, report.ceilingFrom], [5_000, 'largest-tenant'])
    assert.deepEqual(sizeFleet({ peak_requests_per_second: 100 }, 4, {}, 2).ceilingFrom, 'unknown')
    assert.match(
      warnings({ peak_requests_per_second: 100 }, 4, {}, 2).join(),
      /no ceiling of a cell is known/,
    )
  })

  test('is checked against a tenant’s cap of capacity / shard size', () => {
    const largest = { ...GUIDE, largest_tenant_requests_per_second: 3_000 }
    const found = warnings(largest, 16, { requests_per_second: 5_000 }, 2).join('\n')
    assert.match(found, /5000 \/ 2 = 2500 of a cell/)
    assert.match(found, /below 5 × the largest tenant \(15000\)/)
  })

  test('gives requests in flight by Little’s law', () => {
    const input = { ...GUIDE, request_ms: 40 }
    assert.equal(sizeFleet(input, 16, { requests_per_second: 5_000 }, 2).inFlightPerCell, 200)
    assert.match(
      warnings(input, 16, { requests_per_second: 5_000, in_flight: 100 }, 2).join(),
      /= 200 requests in flight in a cell; its limit is 100/,
    )
  })

  test('is compared with what the type of service usually has', () => {
    const input = { ...GUIDE, service_type: 'b2b-saas' as const, tenants: 160_000 }
    const found = warnings(input, 64, { requests_per_second: 5_000 }, 2).join('\n')
    assert.match(found, /8–32 cells a region, this fleet 64/)
    assert.doesNotMatch(found, /tenants a cell/)
    assert.match(
      warnings(input, 16, { requests_per_second: 5_000 }, 2).join(),
      /500–5000 tenants a cell, this fleet 10000/,
    )
  })

  test('has a cap on the number of cells', () => {
    assert.match(
      warnings(GUIDE, 201, { requests_per_second: 5_000 }, 2).join(),
      /201 cells are more than 200/,
    )
  })
})

describe('a partition key', () => {
  const lints = (...args: Parameters<typeof lintPartitionKey>) =>
    lintPartitionKey(...args).map((lint) => `${lint.severity} ${lint.code} ${lint.path}`)
  const claim = (name: string) => ({ rules: [{ from: 'jwt', claim: name }] })

  test('that is given once, at the edge, and has many values is fine', () => {
    for (const name of ['customer_id', 'workspace_id', 'tenant', 'sub', 'org_id'])
      assert.deepEqual(lints(claim(name)), [], name)
    assert.deepEqual(lints({ rules: [{ from: 'header', name: 'x-tenant' }], distinct_values: 5_000 }), [])
  })

  test('that changes is named', () => {
    assert.deepEqual(lints({ ...claim('customer_id'), changes: true }), [
      'error KEY_CHANGES partition_key.changes',
    ])
    assert.deepEqual(lints(claim('email')), ['warning KEY_CHANGES partition_key.rules[0]'])
  })

  test('that needs a look-up is named', () => {
    assert.deepEqual(lints({ rules: [{ from: 'header', name: 'x-tenant' }, { from: 'database' }] }), [
      'error KEY_NEEDS_LOOKUP partition_key.rules[1]',
    ])
  })

  test('that has few values is named', () => {
    assert.deepEqual(lints({ ...claim('customer_id'), distinct_values: 5 }), [
      'error KEY_HAS_FEW_VALUES partition_key.distinct_values',
    ])
    assert.deepEqual(lints(claim('geo_region')), ['warning KEY_HAS_FEW_VALUES partition_key.rules[0]'])
  })

  test('that rules read in different letters is named', () => {
    const lower = { from: 'header', name: 'x-tenant', normalise: 'lower-case' as const }
    const subdomain = { from: 'subdomain' }
    assert.deepEqual(lints({ rules: [lower, subdomain] }), [])
    assert.deepEqual(lints({ rules: [{ from: 'header', name: 'x-tenant' }, subdomain] }), [
      'warning KEY_READ_TWO_WAYS partition_key.rules',
    ])
    const sample = Array.from({ length: 200 }, (_, i) => (i === 7 ? 'Tenant-8' : `tenant-${i}`))
    assert.deepEqual(lints(claim('customer_id'), sample), ['warning KEY_READ_TWO_WAYS keys'])
    assert.deepEqual(lints({ rules: [lower] }, sample), [])
  })

  test('is judged by a sample of real keys as well', () => {
    const many = Array.from({ length: 400 }, (_, i) => `tenant-${i}`)
    assert.deepEqual(lints(claim('customer_id'), many), [])
    assert.deepEqual(
      lints(
        claim('customer_id'),
        many.map((_, i) => `r${i % 5}`),
      ),
      ['error KEY_HAS_FEW_VALUES keys'],
    )
    assert.deepEqual(lints(claim('customer_id'), [...many, ...Array.from({ length: 200 }, () => 'giant')]), [
      'warning KEY_HAS_FEW_VALUES keys',
    ])
    assert.deepEqual(
      lints(
        claim('customer_id'),
        many.map((id) => `${id}@example.com`),
      ),
      ['warning KEY_CHANGES keys'],
    )
    assert.deepEqual(lints(claim('customer_id'), ['a', 'a']), ['warning KEY_SAMPLE_TOO_SMALL keys'])
  })
})
