import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type FailoverPolicy, HEADERS } from '@cellplane/contract/cell'
import { type CellConfig, cellConfigFromEnv } from '../config.ts'
import { createMemoryHomeRegister } from '../homes/home-register.ts'
import { type AdmissionParts, type AdmissionRequest, admit } from './admit.ts'
import { createRouterSecrets } from './router-secrets.ts'
import { createTenantLimit } from './tenant-limit.ts'
import { createTestIssuer, type TestIssuer } from './test-issuer.ts'
import { createTokenVerifier } from './token-verifier.ts'

const SECRET = 'router-secret-of-cell-003-and-of-no-other-one'

let issuer: TestIssuer
let config: CellConfig
let parts: AdmissionParts
before(async () => {
  issuer = await createTestIssuer()
  const routerSecretFile = join(issuer.directory, 'router-secret')
  await writeFile(routerSecretFile, `${SECRET}\n`)
  config = { ...cellConfigFromEnv({}), cell: 'cell-003', routerSecretFile, tokens: issuer.config }
  parts = {
    config,
    secrets: createRouterSecrets(routerSecretFile),
    tokens: createTokenVerifier(issuer.config),
    homes: undefined,
    tenantLimit: undefined,
  }
})
after(() => issuer.remove())

/** Headers as a router sends them, with changes; undefined removes one. */
function routed(changes: Record<string, string | undefined> = {}): Record<string, string | undefined> {
  return {
    [HEADERS.secret]: SECRET,
    [HEADERS.cell]: 'cell-003',
    [HEADERS.tenant]: 'acme',
    [HEADERS.role]: 'home',
    [HEADERS.generation]: '0',
    [HEADERS.shard]: 'cell-003,cell-007',
    ...changes,
  }
}

async function ask(
  headers: Record<string, string | undefined>,
  request: AdmissionRequest = { method: 'POST' },
  more: Partial<AdmissionParts> = {},
): Promise<string> {
  const admission = await admit({ ...parts, ...more }, headers, request)
  if (admission.ok) return `${admission.tenant} ${admission.role} ${admission.generation}`
  assert.equal(admission.problem.cell, 'cell-003')
  assert.equal(admission.problem.request_id, admission.requestId)
  return `${admission.problem.status} ${admission.problem.code}`
}

test('a routed request with a good token is admitted with what the router said', async () => {
  const headers = routed({
    authorization: await issuer.bearer('acme'),
    [HEADERS.role]: 'alternate',
    [HEADERS.requestId]: 'request-1',
    [HEADERS.traceparent]: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  })
  const admission = await admit(parts, headers, { method: 'GET' })
  assert.ok(admission.ok)
  assert.equal(admission.tenant, 'acme')
  assert.equal(admission.role, 'alternate')
  assert.equal(admission.isRouted, true)
  assert.equal(admission.requestId, 'request-1')
  assert.deepEqual(admission.shard, ['cell-003', 'cell-007'])
  assert.match(admission.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
})

test('fetch’s Headers are read as node:http’s are', async () => {
  const headers = new Headers({ authorization: await issuer.bearer('acme') })
  for (const [name, value] of Object.entries(routed())) headers.set(name, value!)
  const admission = await admit(parts, headers, { method: 'GET' })
  assert.ok(admission.ok && admission.isRouted)
})

test('forged headers without the secret are not even looked at', async () => {
  const authorization = await issuer.bearer('acme')
  const forged = routed({
    authorization,
    [HEADERS.secret]: undefined,
    [HEADERS.tenant]: 'globex',
    [HEADERS.cell]: 'cell-999',
    [HEADERS.role]: 'alternate',
    [HEADERS.shard]: 'cell-666',
  })
  const admission = await admit(parts, forged, { method: 'POST' })
  assert.ok(admission.ok)
  assert.equal(admission.tenant, 'acme')
  assert.equal(admission.role, 'home')
  assert.equal(admission.isRouted, false)
  assert.deepEqual(admission.shard, ['cell-003'])
})

test('a wrong secret is refused, whatever else is right', async () => {
  const authorization = await issuer.bearer('acme')
  for (const wrong of ['', 'x', `${SECRET}x`, SECRET.slice(1), `${SECRET}, ${SECRET}`]) {
    assert.equal(await ask(routed({ authorization, [HEADERS.secret]: wrong })), '403 FORBIDDEN')
  }
})

test('a request for another cell is misdirected', async () => {
  const authorization = await issuer.bearer('acme')
  assert.equal(await ask(routed({ authorization, [HEADERS.cell]: 'cell-004' })), '421 MISDIRECTED')
  assert.equal(await ask(routed({ authorization, [HEADERS.cell]: undefined })), '421 MISDIRECTED')
})

test('the cell’s synthetic tenant needs no token, and nobody else is it', async () => {
  const synthetic = routed({ [HEADERS.tenant]: 'cellplane-synthetic-cell-003' })
  const homes = createMemoryHomeRegister()
  const full = createTenantLimit(1)
  full.take('cellplane-synthetic-cell-003')
  const more = { homes, tenantLimit: full }
  const admission = await admit({ ...parts, ...more }, synthetic, { method: 'POST', failover: 'home-only' })
  assert.ok(admission.ok && admission.isSynthetic)
  assert.equal(admission.tenant, 'cellplane-synthetic-cell-003')
  assert.equal(await ask({ ...synthetic, [HEADERS.secret]: undefined }), '401 TOKEN_MISSING')
  assert.equal(
    await ask({ ...synthetic, [HEADERS.tenant]: 'cellplane-synthetic-cell-004' }),
    '401 TOKEN_MISSING',
  )
  const authorization = await issuer.bearer('cellplane-synthetic-cell-003')
  assert.equal(await ask({ authorization }), '401 TOKEN_INVALID')
  const acme = await admit(parts, routed({ authorization: await issuer.bearer('acme') }), { method: 'GET' })
  assert.ok(acme.ok && !acme.isSynthetic)
})

test('a router that speaks nonsense is told so', async () => {
  const authorization = await issuer.bearer('acme')
  assert.equal(await ask(routed({ authorization, [HEADERS.role]: 'boss' })), '400 INVALID_REQUEST')
  assert.equal(await ask(routed({ authorization, [HEADERS.generation]: '-1' })), '400 INVALID_REQUEST')
})

test('the router’s tenant must be the token’s', async () => {
  const authorization = await issuer.bearer('acme')
  assert.equal(await ask(routed({ authorization, [HEADERS.tenant]: 'globex' })), '403 FORBIDDEN')
  assert.equal(await ask(routed({ authorization, [HEADERS.tenant]: undefined })), 'acme home 0')
})

test('a tenant’s name may have any letters: headers carry its UTF-8 bytes', async () => {
  const tenant = 'café-株式会社'
  const authorization = await issuer.bearer(tenant)
  const header = Buffer.from(tenant).toString('latin1')
  assert.equal(await ask(routed({ authorization, [HEADERS.tenant]: header })), `${tenant} home 0`)
})

test('the token is verified here, whatever the router says', async () => {
  assert.equal(await ask(routed()), '401 TOKEN_MISSING')
  assert.equal(await ask(routed({ authorization: 'Bearer a.b.c' })), '401 TOKEN_INVALID')
  const expired = await issuer.bearer('acme', { expires: '-1h' })
  assert.equal(await ask(routed({ authorization: expired })), '401 TOKEN_EXPIRED')
})

test('a 401 says how to authenticate, a 503 when to try again', async () => {
  const missing = await admit(parts, {}, { method: 'GET' })
  assert.equal(!missing.ok && missing.headers['www-authenticate'], 'Bearer')
  assert.equal(!missing.ok && missing.headers['content-type'], 'application/problem+json')
  const tokens = createTokenVerifier({ ...issuer.config, jwks: '/nowhere/jwks.json' })
  const headers = { authorization: await issuer.bearer('acme') }
  const unavailable = await admit({ ...parts, tokens }, headers, { method: 'GET' })
  assert.equal(!unavailable.ok && unavailable.headers['retry-after'], '1')
})

test('in a fleet without tokens only a router can name the tenant', async () => {
  const more = { tokens: undefined }
  assert.equal(await ask(routed(), { method: 'GET' }, more), 'acme home 0')
  const refused = '400 PARTITION_KEY_INVALID'
  assert.equal(await ask({ [HEADERS.tenant]: 'acme' }, { method: 'GET' }, more), refused)
  assert.equal(await ask(routed({ [HEADERS.tenant]: undefined }), { method: 'GET' }, more), refused)
  assert.equal(await ask(routed({ [HEADERS.tenant]: 'x'.repeat(10_240) }), { method: 'GET' }, more), refused)
})

test('an alternate does what the route’s failover policy lets it, and no more', async () => {
  const authorization = await issuer.bearer('acme')
  const headers = routed({ authorization, [HEADERS.role]: 'alternate' })
  const served = async (failover: FailoverPolicy | undefined, method: string, kind: CellConfig['kind']) =>
    (await ask(headers, { method, failover }, { config: { ...config, kind } })) === 'acme alternate 0'
  const table: [FailoverPolicy | undefined, string, CellConfig['kind'], boolean][] = [
    ['any', 'POST', 'stateful', true],
    ['idempotent', 'POST', 'stateless', true],
    ['read', 'GET', 'stateful', true],
    ['read', 'POST', 'stateless', false],
    ['home-only', 'GET', 'stateless', false],
    [undefined, 'POST', 'stateless', true],
    [undefined, 'GET', 'stateful', true],
    [undefined, 'POST', 'stateful', false],
  ]
  for (const [failover, method, kind, expected] of table) {
    assert.equal(await served(failover, method, kind), expected, `${failover} ${method} ${kind}`)
  }
})

test('home-only work is done by the active home at that generation, and by nobody else', async () => {
  const homes = createMemoryHomeRegister()
  await homes.register({ tenant: 'acme', generation: 4, isActive: true })
  await homes.register({ tenant: 'left', generation: 9, isActive: false })
  const write = async (
    tenant: string,
    generation: string,
    changes: Record<string, string | undefined> = {},
  ) =>
    ask(
      routed({
        authorization: await issuer.bearer(tenant),
        [HEADERS.tenant]: tenant,
        [HEADERS.generation]: generation,
        ...changes,
      }),
      { method: 'POST', failover: 'home-only' },
      { homes },
    )
  assert.equal(await write('acme', '4'), 'acme home 4')
  assert.equal(await write('acme', '3'), '421 MISDIRECTED', 'the router has old news')
  assert.equal(await write('acme', '5'), '421 MISDIRECTED', 'the tenant has moved on')
  assert.equal(await write('left', '9'), '421 MISDIRECTED', 'not active here')
  assert.equal(await write('nobody', '1'), '421 MISDIRECTED', 'never registered')
  assert.equal(await write('acme', '4', { [HEADERS.role]: 'alternate' }), '421 MISDIRECTED')
  assert.equal(
    await write('acme', '1', { [HEADERS.secret]: undefined }),
    'acme home 4',
    'direct: the register knows',
  )
  assert.equal(await write('left', '9', { [HEADERS.secret]: undefined }), '421 MISDIRECTED')
})

test('a register that does not answer is a 503, never a yes', async () => {
  const homes = {
    register: () => Promise.reject(new Error('down')),
    current: () => Promise.reject(new Error('down')),
  }
  const headers = routed({ authorization: await issuer.bearer('acme') })
  const asked = await ask(headers, { method: 'POST', failover: 'home-only' }, { homes })
  assert.equal(asked, '503 STORE_UNAVAILABLE')
})

test('a request id that could harm a log is replaced', async () => {
  const authorization = await issuer.bearer('acme')
  for (const harmful of ['', 'a b', 'a\u0007', 'x'.repeat(129), '<script>']) {
    const admission = await admit(parts, { authorization, [HEADERS.requestId]: harmful }, { method: 'GET' })
    assert.match(admission.requestId, /^[0-9a-f-]{36}$/)
  }
})

test('a tenant beyond its cap gets 429 and the time to wait; what is refused for another reason does not count', async () => {
  // A rate so low that nothing more fits while the test runs.
  const tenantLimit = createTenantLimit(0.001)
  const headers = routed({ authorization: await issuer.bearer('acme') })
  assert.equal(await ask(routed(), undefined, { tenantLimit }), '401 TOKEN_MISSING')
  assert.equal(await ask(headers, undefined, { tenantLimit }), 'acme home 0')
  const refused = await admit({ ...parts, tenantLimit }, headers, { method: 'POST' })
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'TOO_MANY_REQUESTS')
  assert.equal(refused.problem.status, 429)
  assert.equal(refused.headers['content-type'], 'application/problem+json')
  const seconds = Number(refused.headers['retry-after'])
  assert.ok(seconds > 900 && seconds <= 1_000, `${seconds} s`)
  const other = routed({ authorization: await issuer.bearer('globex'), [HEADERS.tenant]: 'globex' })
  assert.equal(await ask(other, undefined, { tenantLimit }), 'globex home 0')
})
