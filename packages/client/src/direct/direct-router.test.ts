import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  encodeTable,
  keyIdOf,
  type Problem,
  signDocument,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import { bucketOf } from '@cellplane/core'
import { startTestServer } from '../testing-server.ts'
import { createDirectRouter, type DirectRouterOptions } from './direct-router.ts'

const KEY = generateKeyPairSync('ed25519')
const JWKS = { keys: [KEY.publicKey.export({ format: 'jwk' })] }
const BUCKETS = 16

/** Three cells, shards of two: every bucket has cell-001 as its home and cell-002 beside it. */
function baseDocument(more: Partial<UnsignedTopologyBase> = {}): UnsignedTopologyBase {
  const cell = (slot: number, role: 'serving' | 'quarantine') => ({
    ...{
      slot,
      id: role === 'quarantine' ? 'quarantine' : `cell-00${slot + 1}`,
      zone: 'a',
      region: 'local',
      role,
    },
    ...{ state: 'active' as const, endpoints: { http: `http://127.0.0.1:${7500 + slot}` } },
    ...{ capacity: {}, weight: 10, release: 'dev' },
  })
  return {
    ...{ format: 1, kind: 'base', fleet: 'shop', fleet_kind: 'stateless', epoch: 1, version: 1 },
    ...{ issued_at: new Date().toISOString(), topology_ttl_seconds: 60 },
    hash: { name: 'xxh32', version: 1, seed: 0, buckets: BUCKETS },
    placement: { algorithm: 'test', version: 1 },
    ...{ shard_size: 2, choice: 'home-first' },
    cells: [cell(0, 'serving'), cell(1, 'serving'), cell(2, 'quarantine')],
    table: encodeTable(Uint16Array.from({ length: BUCKETS * 2 }, (_, place) => place % 2)),
    ...{ former_tables: [], overrides: [], tokens: null, routes: [] },
    partition_key: [{ from: 'header', name: 'x-tenant' }],
    quarantine: { cell: 2 },
    limits: { ramp_seconds: 10, unhealthy_share_max: 0.5 },
    ...more,
  }
}

function overlayDocument(more: Partial<UnsignedTopologyOverlay> = {}): UnsignedTopologyOverlay {
  const issued_at = new Date().toISOString()
  return {
    ...{ format: 1, kind: 'overlay', fleet: 'shop', epoch: 1, version: 1, base_version: 1, issued_at },
    ...{ unhealthy: [], quarantined: [] },
    ...more,
  }
}

const sign = (document: object, key: KeyObject = KEY.privateKey) =>
  JSON.stringify(signDocument(document, keyIdOf(key), key))

/** A control plane that publishes what the test says, with ETags and events. */
async function startControl(t: TestContext) {
  const texts = { base: sign(baseDocument()), overlay: sign(overlayDocument()) }
  const streams = new Set<ServerResponse>()
  const server = await startTestServer((request, response) => {
    if (request.url === '/v1/topology/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': ping\n\n')
      return streams.add(response)
    }
    const text = request.url === '/v1/topology/base' ? texts.base : texts.overlay
    const etag = `"${text.length}-${Buffer.from(text.slice(-90)).toString('hex')}"`
    if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end()
    response.writeHead(200, { etag }).end(text)
  })
  t.after(server.stop)
  return {
    ...server,
    publish(kind: 'base' | 'overlay', text: string) {
      texts[kind] = text
      for (const stream of streams) stream.write(`event: ${kind}\ndata: {"epoch":1,"version":1}\n\n`)
    },
  }
}

/** A direct router, with a way to wait for what it does: it is polled, bounded by the test's own time. */
async function start(t: TestContext, options: Partial<DirectRouterOptions> & { url: string }) {
  const problems: Problem[] = []
  const router = await createDirectRouter({
    ...{ token: 'secret', fleet: 'shop', trustedKeys: JWKS, pollMs: 20 },
    onProblem: (problem) => problems.push(problem),
    ...options,
  })
  t.after(() => router.stop())
  return { ...router, problems }
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `waited 20 s in vain for ${isTrue}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a tenant is routed to its home, and to the next cell when that one is excluded', async (t) => {
  const control = await startControl(t)
  const router = await start(t, { url: control.url })
  await router.ready(AbortSignal.timeout(20_000))
  assert.deepEqual(router.version(), { epoch: 1, version: 1 })
  const shard = [
    { id: 'cell-001', url: 'http://127.0.0.1:7500', role: 'home' },
    { id: 'cell-002', url: 'http://127.0.0.1:7501', role: 'alternate' },
  ]
  const home = { cell: 'cell-001', url: 'http://127.0.0.1:7500', role: 'home', generation: 0, shard }
  assert.deepEqual(router.route('acme'), home)
  assert.equal(router.route('acme', { excluded: 'cell-001' })?.cell, 'cell-002')
  assert.equal(router.route('acme', { excluded: 'cell-001' })?.role, 'alternate')
  assert.equal(router.route('acme', { excluded: 'cell-999' })?.cell, 'cell-001')
})

test('health marks and quarantines of a new overlay take effect by its event', async (t) => {
  const control = await startControl(t)
  const router = await start(t, { url: control.url, pollMs: 60_000 })
  await router.ready(AbortSignal.timeout(20_000))
  const since = new Date().toISOString()
  control.publish(
    'overlay',
    sign(
      overlayDocument({
        version: 2,
        unhealthy: [{ slot: 0, since, reason: 'dead' }],
        quarantined: [{ tenant: 'poison', since, reason: 'x' }],
      }),
    ),
  )
  await until(() => router.route('acme')?.cell === 'cell-002')
  assert.equal(router.route('poison')?.cell, 'quarantine')
})

test('an event costs a request for the document that it names, and none for the other', async (t) => {
  const control = await startControl(t)
  const router = await start(t, { url: control.url, pollMs: 60_000 })
  await router.ready(AbortSignal.timeout(20_000))
  const since = new Date().toISOString()
  for (const version of [2, 3, 4, 5]) {
    const quarantined = [{ tenant: `tenant-${version}`, since, reason: 'x' }]
    control.publish('overlay', sign(overlayDocument({ version, quarantined })))
    await until(() => router.route(`tenant-${version}`)?.cell === 'quarantine')
  }
  const asked = control.seen.filter((line) => line === 'GET /v1/topology/base').length
  assert.ok(asked <= 2, `at its start and when it was connected, not ${asked} times`)
})

test('marks that nobody renews are dropped after the TTL; placement stays', async (t) => {
  const control = await startControl(t)
  const stateDir = await mkdtemp(join(tmpdir(), 'cellplane-direct-'))
  t.after(() => rm(stateDir, { recursive: true, force: true }))
  const long = new Date(Date.now() - 3_600_000).toISOString()
  await writeFile(join(stateDir, 'base.json'), sign(baseDocument()))
  await writeFile(
    join(stateDir, 'overlay.json'),
    sign(overlayDocument({ issued_at: long, unhealthy: [{ slot: 0, since: long, reason: 'dead' }] })),
  )
  await control.stop()
  const router = await start(t, { url: control.url, stateDir })
  assert.equal(router.route('acme')?.cell, 'cell-001')
})

test('what is refused is reported and the last good document stays', async (t) => {
  const control = await startControl(t)
  const router = await start(t, { url: control.url })
  await router.ready(AbortSignal.timeout(20_000))
  const stranger = generateKeyPairSync('ed25519').privateKey
  const good = sign(baseDocument({ version: 5 }))
  for (const [text, code] of [
    [good.slice(0, -20), 'TOPOLOGY_NOT_JSON'],
    ['{}', 'INVALID_TYPE'],
    [sign(baseDocument({ version: 5 }), stranger), 'TOPOLOGY_KEY_UNKNOWN'],
    [good.replace('"version":5', '"version":6'), 'TOPOLOGY_SIGNATURE_INVALID'],
    [sign(baseDocument({ version: 5, fleet: 'other' })), 'TOPOLOGY_OTHER_FLEET'],
    [sign(baseDocument({ version: 5, cells: [] })), 'TOPOLOGY_NO_CELLS'],
    [sign(baseDocument({ version: 0 })), 'TOPOLOGY_OLDER'],
    [`${good}${' '.repeat(33 * 1024 * 1024)}`, 'TOPOLOGY_UNAVAILABLE'],
  ] as const) {
    router.problems.length = 0
    control.publish('base', text)
    await until(() => router.problems.some((problem) => problem.code === code))
    assert.equal(router.version()?.version, 1, code)
    assert.equal(router.route('acme')?.cell, 'cell-001', code)
  }
  control.publish('base', good)
  await until(() => router.version()?.version === 5)
})

test('an overlay that marks a slot which its own base lacks is refused; one that came before its base is reported by it', async (t) => {
  const control = await startControl(t)
  const router = await start(t, { url: control.url })
  await router.ready(AbortSignal.timeout(20_000))
  const since = new Date().toISOString()
  const unhealthy = [0, 77].map((slot) => ({ slot, since, reason: 'dead' }))
  const misfit = () => router.problems.filter(({ code }) => code === 'TOPOLOGY_OVERLAY_MISFIT').length
  control.publish('overlay', sign(overlayDocument({ version: 2, unhealthy })))
  await until(() => misfit() === 1)
  assert.equal(router.route('acme')?.cell, 'cell-001', 'none of its marks is followed')
  control.publish('overlay', sign(overlayDocument({ version: 3, base_version: 2, unhealthy })))
  await until(() => router.route('acme')?.cell === 'cell-002')
  assert.equal(misfit(), 1)
  control.publish('base', sign(baseDocument({ version: 2 })))
  await until(() => router.version()?.version === 2)
  assert.equal(misfit(), 2)
  assert.equal(router.route('acme')?.cell, 'cell-001', 'none of its marks is followed any more')
})

test('it starts from its last good documents with no control plane, and refuses damaged ones', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'cellplane-direct-'))
  t.after(() => rm(stateDir, { recursive: true, force: true }))
  const control = await startControl(t)
  const first = await start(t, { url: control.url, stateDir })
  await first.ready(AbortSignal.timeout(20_000))
  await until(async () => (await readdir(stateDir)).join() === 'base.json,overlay.json')
  await first.stop()
  await control.stop()

  const second = await start(t, { url: control.url, stateDir })
  assert.equal(second.route('acme')?.cell, 'cell-001')
  await until(() => second.problems.some(({ code }) => code === 'TOPOLOGY_UNAVAILABLE'))
  assert.equal(second.route('acme')?.cell, 'cell-001')

  await writeFile(join(stateDir, 'base.json'), sign(baseDocument()).slice(0, 500))
  const third = await start(t, { url: control.url, stateDir })
  assert.equal(third.route('acme'), undefined)
  assert.equal(third.problems[0]?.code, 'TOPOLOGY_NOT_JSON')
  const never = third.ready()
  await third.stop()
  await assert.rejects(never, /was stopped/)
})

test('keys that are none are said at once', async () => {
  for (const trustedKeys of [null, {}, { keys: [] }, { keys: [{ kty: 'RSA' }] }]) {
    await assert.rejects(
      createDirectRouter({ url: 'http://127.0.0.1:1', token: 't', fleet: 'shop', trustedKeys }),
      /trustedKeys/,
    )
  }
})

test('the lookup is the topology’s own: the bucket of the key decides', async (t) => {
  const control = await startControl(t)
  const flipped = Uint16Array.from({ length: BUCKETS * 2 }, (_, place) => place % 2)
  const bucket = bucketOf('acme', 0, BUCKETS)
  flipped.set([1, 0], bucket * 2)
  control.publish('base', sign(baseDocument({ table: encodeTable(flipped) })))
  const router = await start(t, { url: control.url })
  await router.ready(AbortSignal.timeout(20_000))
  assert.equal(router.route('acme')?.cell, 'cell-002')
})
