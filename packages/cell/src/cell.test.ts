import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type CellHealth, HEADERS, HOLDINGS_PATH, type Holdings } from '@cellplane/contract/cell'
import { Hono } from 'hono'
import { createTestIssuer, type TestIssuer } from './admission/test-issuer.ts'
import { type Cell, type CellOptions, createCell } from './cell.ts'
import { type CellConfig, cellConfigFromEnv } from './config.ts'
import { admitted, type CellEnv, cellRoutes } from './hono.ts'
import { withOwnRoutes } from './node.ts'
import { createLogger } from './observing/logger.ts'

const SECRET = 'h3Zq0mJ4v1nS7tY2wX5kB8cD1fG4jL7pR0uV3xA6eI9'

let issuer: TestIssuer
let config: CellConfig
before(async () => {
  issuer = await createTestIssuer()
  const routerSecretFile = join(issuer.directory, 'router-secret')
  await writeFile(routerSecretFile, `${SECRET}\n`)
  config = { ...cellConfigFromEnv({}), cell: 'cell-003', routerSecretFile, tokens: issuer.config }
})
after(() => issuer.remove())

const never = new AbortController().signal

/** A cell whose log lines land in `lines`. */
function makeCell(options: CellOptions = {}): { cell: Cell; lines: string[] } {
  const lines: string[] = []
  const logger = createLogger(config, { write: (line) => lines.push(line) })
  return { cell: createCell(config, { logger, stop: never, ...options }), lines }
}

test('health asks every dependency, and a failing or hanging one makes it 503', async () => {
  let postgres: () => Promise<unknown> = async () => {}
  const ask = async () => {
    // A new cell each time: one cell's answers are shared for a moment.
    const { cell } = makeCell({ dependencies: { postgres: () => postgres(), queue: async () => {} } })
    const answer = await cell.ownRoutes('GET', '/healthz', {})
    return { status: answer!.status, health: JSON.parse(answer!.body) as CellHealth }
  }
  const good = await ask()
  assert.equal(good.status, 200)
  assert.equal(good.health.status, 'ok')
  assert.equal(good.health.cell, 'cell-003')

  const failures: [() => Promise<unknown>, string][] = [
    [
      () => Promise.reject(Object.assign(new Error('no host 10.0.0.7'), { code: 'ECONNREFUSED' })),
      'ECONNREFUSED',
    ],
    [() => Promise.reject(new TypeError('user app')), 'TypeError'],
    [() => new Promise(() => {}), 'TIMEOUT'],
  ]
  for (const [failure, shown] of failures) {
    postgres = failure
    const bad = await ask()
    assert.equal(bad.status, 503)
    assert.equal(bad.health.status, 'failing')
    assert.equal(bad.health.dependencies['postgres']?.error, shown)
    assert.equal(bad.health.dependencies['queue']?.status, 'ok')
  }
})

test('a cell that is told to stop says so', async () => {
  const { cell } = makeCell({ stop: AbortSignal.abort() })
  const answer = await cell.ownRoutes('GET', '/healthz', {})
  assert.equal(answer?.status, 503)
  assert.equal((JSON.parse(answer!.body) as CellHealth).status, 'stopping')
})

test('holdings are shown to whoever has the router secret, and to nobody else', async () => {
  const holdings: Holdings = { undelivered: 3, retained: 10, retained_until: '2026-12-01T00:00:00.000Z' }
  const { cell } = makeCell({ holdings: async () => holdings })
  const shown = await cell.ownRoutes('GET', HOLDINGS_PATH, { [HEADERS.secret]: SECRET })
  assert.deepEqual(JSON.parse(shown!.body), holdings)
  assert.equal((await cell.ownRoutes('GET', HOLDINGS_PATH, {}))?.status, 403)
  assert.equal((await cell.ownRoutes('GET', HOLDINGS_PATH, { [HEADERS.secret]: 'guess' }))?.status, 403)

  const { cell: broken } = makeCell({ holdings: () => Promise.reject(new Error('down')) })
  assert.equal((await broken.ownRoutes('GET', HOLDINGS_PATH, { [HEADERS.secret]: SECRET }))?.status, 503)
  const { cell: keepsNothing } = makeCell()
  assert.equal(
    (await keepsNothing.ownRoutes('GET', HOLDINGS_PATH, { [HEADERS.secret]: SECRET }))?.status,
    404,
  )
})

test('the kit’s paths do not exist for what came through a router: that is a tenant', async () => {
  const { cell } = makeCell({ holdings: async () => ({ undelivered: 0, retained: 0, retained_until: null }) })
  const routed = { [HEADERS.secret]: SECRET, [HEADERS.role]: 'home', [HEADERS.cell]: 'cell-003' }
  for (const path of ['/healthz', '/metrics', HOLDINGS_PATH]) {
    assert.equal(await cell.ownRoutes('GET', path, routed), undefined, path)
  }
})

function makeApp(cell: Cell): Hono<CellEnv> {
  const app = new Hono<CellEnv>()
  app.use(cellRoutes(cell))
  app.use('/v1/*', admitted(cell))
  app.get('/v1/orders/:id', (c) => {
    c.var.logger.info({ order: c.req.param('id') }, 'order read')
    return c.json({ tenant: c.var.admission.tenant })
  })
  return app
}

test('in a Hono app a service is a good cell in three lines', async () => {
  const { cell } = makeCell()
  const app = makeApp(cell)
  const authorization = await issuer.bearer('acme')
  const good = await app.request('/v1/orders/7', { headers: { authorization } })
  assert.deepEqual(await good.json(), { tenant: 'acme' })
  assert.ok(good.headers.get(HEADERS.requestId))
  const bad = await app.request('/v1/orders/7')
  assert.equal(bad.status, 401)
  assert.equal(bad.headers.get('content-type'), 'application/problem+json')
  assert.equal(((await bad.json()) as { code: string }).code, 'TOKEN_MISSING')
  assert.equal((await app.request('/healthz')).status, 200)
})

test('metrics carry the cell and the route’s pattern, never a tenant or a path', async () => {
  const { cell } = makeCell()
  const app = makeApp(cell)
  const authorization = await issuer.bearer('acme-the-tenant')
  await app.request('/v1/orders/4711', { headers: { authorization } })
  await app.request('/v1/orders/4711')
  const text = await (await app.request('/metrics')).text()
  assert.match(
    text,
    /cellplane_cell_requests_total\{method="GET",route="\/v1\/orders\/:id",code_class="2xx",cell="cell-003",component="service"\} 1/,
  )
  assert.match(text, /code_class="4xx"/)
  for (const line of text.split('\n').filter((l) => l !== '' && !l.startsWith('#'))) {
    assert.match(line, /cell="cell-003"/)
  }
  assert.doesNotMatch(text, /acme-the-tenant|4711/)
})

test('log lines carry cell, tenant and trace', async () => {
  const { cell, lines } = makeCell()
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await makeApp(cell).request('/v1/orders/7', {
    headers: {
      authorization: await issuer.bearer('acme'),
      [HEADERS.traceparent]: `00-${traceId}-b7ad6b7169203331-01`,
    },
  })
  const line = JSON.parse(lines.find((l) => l.includes('order read'))!) as Record<string, unknown>
  assert.equal(line['cell'], 'cell-003')
  assert.equal(line['release'], 'dev')
  assert.equal(line['tenant_id'], 'acme')
  assert.equal(line['trace_id'], traceId)
  assert.equal(line['level'], 'info')
})

test('no log line shows a credential, wherever it was put', async () => {
  const { cell, lines } = makeCell()
  const token = await issuer.token('acme')
  const password = 'pa55-w0rd-of-the-database'
  const headers = {
    authorization: `Bearer ${token}`,
    [HEADERS.secret]: SECRET,
    cookie: 'session=planted-cookie',
  }
  cell.logger.info({ headers }, 'headers')
  cell.logger.info({ req: { headers } }, 'nested headers')
  cell.logger.info(headers, 'flat headers')
  cell.logger.error({ err: new Error(`refused ${token} at postgres://app:${password}@127.0.0.1/app`) }, token)
  cell.logger.warn(`the secret ${SECRET} was wrong, authorization: Basic ${btoa(`app:${password}`)}`)
  await makeApp(cell).request('/v1/orders/7', { headers: { ...headers, authorization: `Bearer ${token}x` } })
  assert.ok(lines.length >= 6)
  const all = lines.join('')
  for (const secret of [
    token,
    token.split('.')[2]!,
    SECRET,
    password,
    btoa(`app:${password}`),
    'planted-cookie',
  ]) {
    assert.ok(!all.includes(secret), `${secret} is in\n${all}`)
  }
  for (const line of lines) JSON.parse(line)
})

test('a plain node:http service gets the kit’s paths too', async () => {
  const { cell } = makeCell()
  const server = createServer(withOwnRoutes(cell, (_request, response) => response.end('the service')))
  const stop = new AbortController()
  const { cell: stoppable } = makeCell({ stop: stop.signal })
  const serving = await stoppable.serve(server, { lameDuckMs: 0 })
  assert.equal((await fetch(`${serving.url}/healthz?x=1`)).status, 200)
  assert.equal(await (await fetch(`${serving.url}/anything`)).text(), 'the service')
  stop.abort()
  await serving.stopped
})

test('a process without a readable secret file does not start half-blind', () => {
  assert.throws(
    () => createCell({ ...config, routerSecretFile: '/nowhere/secret' }, { stop: never }),
    /cannot be read/,
  )
})
