import assert from 'node:assert/strict'
import { test } from 'node:test'
import { is } from 'valibot'
import { keyRuleSchema } from './routing-rules.ts'

test('a key’s header is one that reaches the router and its cells as itself', () => {
  const isTaken = (name: string) => is(keyRuleSchema, { from: 'header', name })
  for (const name of ['x-tenant', 'tenant', 'x-forwarded-host', 'x.tenant'])
    assert.equal(isTaken(name), true, name)
  for (const name of ['', 'X-Tenant', 'tenant_id', 'cellplane-tenant', 'a b', 'x'.repeat(65)])
    assert.equal(isTaken(name), false, name)
})
