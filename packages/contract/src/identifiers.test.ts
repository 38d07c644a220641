import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCellNamingId, partitionKeyProblem, SLOT_NONE, slotOfId } from './identifiers.ts'
import { deriveRouterSecret, secretsMatch } from './router-secret.ts'
import { isSyntheticTenant, syntheticTenantOf } from './synthetic-tenant.ts'

test('an id names the slot it was made with', () => {
  for (const slot of [0, 35, 36, 1295, SLOT_NONE - 1])
    assert.equal(slotOfId(formatCellNamingId('ntf', slot, '01jd-AZ')), slot)
})

test('anything else names no cell', () => {
  for (const id of [
    '',
    'ntf',
    'ntf_',
    'ntf_1',
    'ntf__x',
    'NTF_1_x',
    'ntf_zzzz_x',
    'ntf_1_',
    'ntf_-1_x',
    'ntf_1_x/../y',
    `ntf_1_${'x'.repeat(65)}`,
  ]) {
    assert.equal(slotOfId(id), undefined, id)
  }
})

test('a partition key is 1–256 bytes of text without control characters or outer white space', () => {
  for (const key of ['acme', 'ünïcode', 'a b', 'x'.repeat(256)])
    assert.equal(partitionKeyProblem(key), undefined, key)
  assert.match(partitionKeyProblem('') ?? '', /empty/)
  assert.match(partitionKeyProblem('x'.repeat(10_240)) ?? '', /longer than 256/)
  assert.match(partitionKeyProblem('é'.repeat(129)) ?? '', /longer than 256/)
  assert.match(partitionKeyProblem('a\r\nb') ?? '', /control/)
  assert.match(partitionKeyProblem(' a') ?? '', /white space/)
  assert.match(partitionKeyProblem('a\ud800') ?? '', /well-formed/)
})

test('the synthetic tenants’ names are nobody’s partition key', () => {
  assert.match(partitionKeyProblem(syntheticTenantOf('cell-001')) ?? '', /reserved; take another/)
  assert.ok(isSyntheticTenant(syntheticTenantOf('cell-001')))
  assert.equal(partitionKeyProblem('my-cellplane-synthetic-tenant'), undefined)
})

test('a problem with a key does not repeat the key', () => {
  assert.ok((partitionKeyProblem('x'.repeat(10_240)) ?? '').length < 100)
})

test('each cell of each fleet has its own router secret', () => {
  const secrets = new Set(
    ['a', 'b'].flatMap((fleet) => ['c1', 'c2'].map((cell) => deriveRouterSecret('k', fleet, cell))),
  )
  assert.equal(secrets.size, 4)
  assert.equal(secretsMatch('abc', 'abc'), true)
  assert.equal(secretsMatch('abc', 'abd'), false)
  assert.equal(secretsMatch('abc', 'abcd'), false)
})
