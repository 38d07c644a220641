import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { UnsecuredJWT } from 'jose'
import { createKeySet } from './key-set.ts'
import { createTestIssuer, type TestIssuer } from './test-issuer.ts'
import { createTokenVerifier, type TokenVerdict } from './token-verifier.ts'

let issuer: TestIssuer
before(async () => {
  issuer = await createTestIssuer()
})
after(() => issuer.remove())

const outcome = (verdict: TokenVerdict) => (verdict.ok ? verdict.tenant : verdict.code)

test('a good token names its tenant', async () => {
  const verifier = createTokenVerifier(issuer.config)
  const bearer = await issuer.bearer('acme')
  assert.equal(outcome(await verifier.verify(bearer)), 'acme')
  assert.equal(outcome(await verifier.verify(bearer)), 'acme', 'and does so again, from memory')
})

test('every bad token is refused with the code that says why', async () => {
  const verifier = createTokenVerifier(issuer.config)
  const good = await issuer.token('acme')
  const [head, payload, signature] = good.split('.') as [string, string, string]
  const otherPayload = Buffer.from(JSON.stringify({ customer_id: 'globex', exp: 9e9 })).toString('base64url')
  const stranger = await createTestIssuer()
  const unsigned = new UnsecuredJWT({ customer_id: 'acme' }).setExpirationTime('1h').encode()
  const cases: [string, string | undefined, string][] = [
    ['missing', undefined, 'TOKEN_MISSING'],
    ['empty', '', 'TOKEN_MISSING'],
    ['another scheme', 'Basic YWNtZTpzZWNyZXQ=', 'TOKEN_INVALID'],
    ['no token after the scheme', 'Bearer ', 'TOKEN_INVALID'],
    ['not a JWT', 'Bearer abc', 'TOKEN_INVALID'],
    ['three parts of nonsense', 'Bearer a.b.c', 'TOKEN_INVALID'],
    ['two tokens', `Bearer ${good}, Bearer ${good}`, 'TOKEN_INVALID'],
    ['10 KB', `Bearer ${head}.${'A'.repeat(10_240)}.${signature}`, 'TOKEN_INVALID'],
    ['another payload under the signature', `Bearer ${head}.${otherPayload}.${signature}`, 'TOKEN_INVALID'],
    ['a cut-off signature', `Bearer ${head}.${payload}.${signature.slice(0, -6)}`, 'TOKEN_INVALID'],
    ['signed by a stranger with our key id', await stranger.bearer('acme'), 'TOKEN_INVALID'],
    ['not signed (alg none)', `Bearer ${unsigned}`, 'TOKEN_INVALID'],
    ['expired', await issuer.bearer('acme', { expires: '-1h' }), 'TOKEN_EXPIRED'],
    ['without an expiry', await issuer.bearer('acme', { expires: null }), 'TOKEN_INVALID'],
    ['of another issuer', await issuer.bearer('acme', { issuer: 'https://else.test' }), 'TOKEN_INVALID'],
    ['for another audience', await issuer.bearer('acme', { audience: 'billing' }), 'TOKEN_INVALID'],
    ['without the tenant claim', await issuer.bearer('acme', { claims: {} }), 'TOKEN_INVALID'],
    [
      'with a tenant that is a number',
      await issuer.bearer('', { claims: { customer_id: 7 } }),
      'TOKEN_INVALID',
    ],
    ['with an empty tenant', await issuer.bearer(''), 'TOKEN_INVALID'],
    ['with a control character in the tenant', await issuer.bearer('ac\nme'), 'TOKEN_INVALID'],
    ['with a tenant of 300 bytes', await issuer.bearer('a'.repeat(300)), 'TOKEN_INVALID'],
  ]
  for (const [what, authorization, expected] of cases) {
    assert.equal(outcome(await verifier.verify(authorization)), expected, what)
  }
  await stranger.remove()
})

test('a remembered token is forgotten when it expires', async () => {
  let now = Date.now()
  const verifier = createTokenVerifier(issuer.config, createKeySet(issuer.config.jwks), () => now)
  const bearer = await issuer.bearer('acme', { expires: Math.floor(now / 1000) + 60 })
  assert.equal(outcome(await verifier.verify(bearer)), 'acme')
  now += 66_000
  assert.equal(outcome(await verifier.verify(bearer)), 'TOKEN_EXPIRED')
})

test('a new key works from its first token, a withdrawn one stops after the keys’ age', async () => {
  const rotating = await createTestIssuer()
  let now = Date.now()
  const clock = () => now
  const verifier = createTokenVerifier(rotating.config, createKeySet(rotating.config.jwks, clock), clock)
  const old = await rotating.bearer('acme', { expires: '2h' })
  assert.equal(outcome(await verifier.verify(old)), 'acme')

  await rotating.makeKey('key-2')
  await rotating.publish('key-2')
  const next = await rotating.bearer('acme', { expires: '2h', keyId: 'key-2' })
  assert.equal(
    outcome(await verifier.verify(next)),
    'TOKEN_INVALID',
    'unknown keys are looked for once in 10 s',
  )
  now += 10_000
  assert.equal(outcome(await verifier.verify(next)), 'acme')
  assert.equal(outcome(await verifier.verify(old)), 'TOKEN_INVALID', 'the new set drops remembered verdicts')

  await rotating.makeKey('key-3')
  await rotating.publish('key-3')
  assert.equal(outcome(await verifier.verify(next)), 'acme')
  now += 10 * 60_000
  await waitFor('the withdrawn key to be noticed', 10_000, async () => {
    return outcome(await verifier.verify(next)) === 'TOKEN_INVALID'
  })
  await rotating.remove()
})

test('keys come over HTTP too; while the issuer is gone the last good ones stay', async () => {
  let answer: { status: number; body: string } = { status: 500, body: 'down' }
  const server = createServer((_request, response) => response.writeHead(answer.status).end(answer.body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  let now = Date.now()
  const clock = () => now
  const verifier = createTokenVerifier({ ...issuer.config, jwks: url }, createKeySet(url, clock), clock)
  const bearer = await issuer.bearer('acme')

  assert.equal(outcome(await verifier.verify(bearer)), 'KEYS_UNAVAILABLE')
  answer = { status: 200, body: await issuer.jwks('key-1') }
  now += 1000
  assert.equal(outcome(await verifier.verify(bearer)), 'acme')
  answer = { status: 200, body: '{"keys": [{"kty"' }
  now += 11 * 60_000
  assert.equal(outcome(await verifier.verify(bearer)), 'acme', 'a truncated set changes nothing')
  server.close()
  server.closeAllConnections()
  now += 11 * 60_000
  assert.equal(outcome(await verifier.verify(bearer)), 'acme', 'nor does an issuer that is gone')
})

test('an issuer that does not answer holds up nobody whose key is known', async () => {
  let isHanging = false
  const body = await issuer.jwks('key-1')
  const server = createServer((_request, response) => {
    if (!isHanging) response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  let now = Date.now()
  const clock = () => now
  const verifier = createTokenVerifier({ ...issuer.config, jwks: url }, createKeySet(url, clock), clock)
  const bearer = await issuer.bearer('acme')
  assert.equal(outcome(await verifier.verify(bearer)), 'acme')
  isHanging = true
  now += 11 * 60_000
  const asked = performance.now()
  assert.equal(outcome(await verifier.verify(bearer)), 'acme')
  assert.ok(performance.now() - asked < 1500, 'less than the time that a look may take')
  server.close()
  server.closeAllConnections()
})

test('a missing JWKS file is a named 503, not a crash', async () => {
  const verifier = createTokenVerifier({ ...issuer.config, jwks: join(issuer.directory, 'nowhere.json') })
  assert.equal(outcome(await verifier.verify(await issuer.bearer('acme'))), 'KEYS_UNAVAILABLE')
})
