import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Received, send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { createIssuer, type Issuer, TOKENS } from '../testing/issuer.ts'
import { until } from '../testing/wait.ts'

const BASE = {
  partition_key: [{ from: 'jwt' as const, claim: 'customer_id' }],
  tokens: TOKENS,
}
const ready = (adminPort: number) =>
  until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)

describe('a bearer token', () => {
  let fleet: FakeFleet
  let issuer: Issuer
  let rsaIssuer: Issuer
  let port: number
  let adminPort: number
  const ask = (token: string): Promise<Received> =>
    send(port, { headers: ['authorization', `Bearer ${token}`] })

  before(async () => {
    fleet = await startFakeFleet({ base: BASE })
    issuer = await createIssuer('key-1')
    rsaIssuer = await createIssuer('key-rsa', 'RS256')
    const file = join(fleet.folder, 'issuer.jwks.json')
    await writeFile(file, JSON.stringify({ keys: [issuer.jwk, rsaIssuer.jwk] }))
    ;({ port, adminPort } = await fleet.startRouter({
      jwks: { file },
      limits: { tokens_cached_max: 3 },
    }))
    await ready(adminPort)
  })
  after(() => fleet.stop())

  test('that verifies names the tenant, with either algorithm, again and again', async () => {
    const tenant = fleet.tenantOn(2, 1)
    for (const from of [issuer, rsaIssuer]) {
      const token = await from.issue({ customer_id: tenant })
      for (let i = 0; i < 3; i++) {
        const { status, json } = await ask(token)
        assert.equal(status, 200)
        assert.equal(json.cell, 'cell-2')
        assert.equal(json.headers['cellplane-tenant'], tenant)
        assert.equal(json.headers.authorization, `Bearer ${token}`)
      }
    }
  })

  test('that is wrong is 401 with a challenge, and never fails open', async () => {
    const arrivals = () => fleet.cells.reduce((sum, cell) => sum + cell.arrivals, 0)
    const before = arrivals()
    const stranger = await createIssuer('key-1')
    const unknown = await createIssuer('key-9')
    const customer_id = fleet.tenantOn(0, 1)
    const past = Math.floor(Date.now() / 1000) - 60
    const genuine = await issuer.issue({ customer_id })
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const cases: [what: string, token: string, code: string][] = [
      ['empty', '', 'TOKEN_INVALID'],
      ['not a token', 'abc', 'TOKEN_INVALID'],
      ['cut off', genuine.slice(0, -20), 'TOKEN_INVALID'],
      ['unsigned', `${none}.${genuine.split('.')[1]}.`, 'TOKEN_INVALID'],
      ['signed with another key', await stranger.issue({ customer_id }), 'TOKEN_INVALID'],
      ['signed with an unknown key', await unknown.issue({ customer_id }), 'TOKEN_INVALID'],
      ['expired', await issuer.issue({ customer_id, exp: past }), 'TOKEN_EXPIRED'],
      ['without expiry', await issuer.issue({ customer_id, exp: undefined }), 'TOKEN_INVALID'],
      ['for another audience', await issuer.issue({ customer_id, aud: 'other' }), 'TOKEN_INVALID'],
      ['of another issuer', await issuer.issue({ customer_id, iss: 'other' }), 'TOKEN_INVALID'],
      ['not yet valid', await issuer.issue({ customer_id, nbf: past + 3600 }), 'TOKEN_INVALID'],
      ['without the claim', await issuer.issue({}), 'TOKEN_INVALID'],
      ['whose claim is no string', await issuer.issue({ customer_id: 7 }), 'TOKEN_INVALID'],
    ]
    for (const [what, token, code] of cases) {
      const { status, headers, json } = await ask(token)
      assert.equal(status, 401, what)
      assert.equal(json.code, code, what)
      assert.match(headers['www-authenticate']!, /^Bearer error="invalid_token"/, what)
      if (token !== '') assert.doesNotMatch(JSON.stringify(json), new RegExp(token.slice(0, 40)), what)
    }
    assert.equal(arrivals(), before)
    assert.doesNotMatch(fleet.logLines.join(''), /eyJ/)
  })

  test('whose claim cannot be a key is 400', async () => {
    for (const customer_id of ['', 'x'.repeat(10_000), 'a\nb']) {
      const { status, json } = await ask(await issuer.issue({ customer_id }))
      assert.equal(status, 400)
      assert.equal(json.code, 'PARTITION_KEY_INVALID')
    }
  })

  test('that is missing, or another scheme, fails open without a tenant', async () => {
    for (const headers of [[], ['authorization', 'Basic dXNlcjpwYXNz']]) {
      const { status, json } = await send(port, { headers })
      assert.equal(status, 200)
      assert.equal(json.headers['cellplane-tenant'], undefined)
    }
  })

  test('is remembered, within a bound', async () => {
    for (let i = 0; i < 6; i++) await ask(await issuer.issue({ customer_id: `t-${i}` }))
    const { text } = await send(adminPort, { path: '/metrics' })
    assert.match(text, /^cellplane_router_tokens_cached 3$/m)
  })

  test('that was verified is refused once it has expired', async () => {
    const exp = Math.floor(Date.now() / 1000) - 3
    // Within the tolerance for clocks now, beyond it in a moment.
    const token = await issuer.issue({ customer_id: 'short-lived', exp })
    assert.equal((await ask(token)).status, 200)
    const expired = await until('the expiry', async () => {
      const answer = await ask(token)
      return answer.status === 401 && answer
    })
    assert.equal(expired.json.code, 'TOKEN_EXPIRED')
  })
})

describe('the keys of tokens', () => {
  /** An issuer's JWKS endpoint that serves whatever it is told. */
  async function withKeyServer(
    run: (server: {
      url: string
      serve(status: number, body: string): void
      hits(): number
    }) => Promise<void>,
  ): Promise<void> {
    let answer = { status: 503, body: '' }
    let hits = 0
    const server = createServer((_request, response) => {
      hits++
      response.writeHead(answer.status).end(answer.body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      await run({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
        serve(status, body) {
          answer = { status, body }
        },
        hits: () => hits,
      })
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
  const setOf = (...issuers: Issuer[]) => JSON.stringify({ keys: issuers.map(({ jwk }) => jwk) })

  test('that are not there make a 503, and requests without a token go on', () =>
    withKeyServer(async ({ url }) => {
      const fleet = await startFakeFleet({ base: BASE })
      try {
        const { port, adminPort } = await fleet.startRouter({ jwks: { url } })
        await ready(adminPort)
        const token = await (await createIssuer('key-1')).issue({ customer_id: 'a' })
        const { status, headers, json } = await send(port, { headers: ['authorization', `Bearer ${token}`] })
        assert.equal(status, 503)
        assert.equal(json.code, 'KEYS_UNAVAILABLE')
        assert.ok(headers['retry-after'])
        assert.equal((await send(port)).status, 200)
      } finally {
        await fleet.stop()
      }
    }))

  test('come from the disk when their server is gone, and garbage does not replace them', () =>
    withKeyServer(async ({ url, serve }) => {
      const fleet = await startFakeFleet({ base: BASE })
      try {
        const issuer = await createIssuer('key-1')
        serve(200, setOf(issuer))
        await (await fleet.startRouter({ jwks: { url } })).stop()
        const headers = ['authorization', `Bearer ${await issuer.issue({ customer_id: 'a' })}`]
        for (const [status, body] of [
          [503, ''],
          [200, 'not json'],
          [200, '{"keys":[]}'],
          [200, '{"keys":[7]}'],
        ] as const) {
          serve(status, body)
          const router = await fleet.startRouter({ jwks: { url } })
          await ready(router.adminPort)
          assert.equal((await send(router.port, { headers })).status, 200, body)
          if (status === 200) {
            await until('the refusal to be counted', async () =>
              /refused_documents_total\{document="jwks"\} 1$/m.test(
                (await send(router.adminPort, { path: '/metrics' })).text,
              ),
            )
          }
          await router.stop()
        }
      } finally {
        await fleet.stop()
      }
    }))

  test('are asked for when a token names an unknown one, but not for each such token', () =>
    withKeyServer(async ({ url, serve, hits }) => {
      const fleet = await startFakeFleet({ base: BASE })
      try {
        const issuer = await createIssuer('key-1')
        serve(200, setOf(issuer))
        const router = await fleet.startRouter({ jwks: { url } })
        await ready(router.adminPort)
        const unknown = await createIssuer('key-2')
        const headers = ['authorization', `Bearer ${await unknown.issue({ customer_id: 'a' })}`]
        for (let i = 0; i < 20; i++) assert.equal((await send(router.port, { headers })).status, 401)
        assert.ok(hits() <= 2, `${hits()} reads`)
      } finally {
        await fleet.stop()
      }
    }))
})
