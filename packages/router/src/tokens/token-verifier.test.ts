import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet } from 'jose'
import { createIssuer, TOKENS } from '../testing/issuer.ts'
import { createTokenVerifier } from './token-verifier.ts'

test('what was verified by keys that were replaced meanwhile is not remembered', async () => {
  const issuer = await createIssuer('key-1')
  const successor = await createIssuer('key-2')
  const keysOf = (...jwks: object[]) =>
    createLocalJWKSet({ keys: jwks } as Parameters<typeof createLocalJWKSet>[0])
  const keys = { current: keysOf(issuer.jwk), refresh: async () => {}, stop: async () => {} }
  const verifier = createTokenVerifier(keys, 10)
  const token = await issuer.issue({ customer_id: 'acme' })

  const verifying = verifier.verify(token, 'customer_id', TOKENS)
  keys.current = keysOf(successor.jwk)
  // Another request finds the new keys, so that from now on the cache is theirs.
  assert.equal(verifier.remembered('another token', 'customer_id', TOKENS), undefined)
  assert.deepEqual(await verifying, { ok: true, tenant: 'acme' })
  assert.equal(verifier.remembered(token, 'customer_id', TOKENS), undefined)
  assert.equal((await verifier.verify(token, 'customer_id', TOKENS)).ok, false)
})
