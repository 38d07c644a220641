import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { startSpanReceiver } from '@cellplane/testing'
import { Hono } from 'hono'
import { createCell } from '../cell.ts'
import { cellConfigFromEnv } from '../config.ts'
import { admitted, type CellEnv, cellRoutes } from '../hono.ts'
import { createLogger } from './logger.ts'
import { createTracing, type Tracing } from './tracing.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const ROUTER_SPAN = 'b7ad6b7169203331'
const sampled = `00-${TRACE}-${ROUTER_SPAN}-01`
const notSampled = `00-${TRACE}-${ROUTER_SPAN}-00`

const environment = (CELLPLANE_TRACES_URL?: string) =>
  cellConfigFromEnv({
    CELLPLANE_TRACES_URL,
    ...{ CELLPLANE_FLEET: 'shop', CELLPLANE_CELL: 'cell-003' },
    ...{ CELLPLANE_COMPONENT: 'api', CELLPLANE_RELEASE: 'r7' },
  })

describe('a process of a cell with a receiver of spans', () => {
  let receiver: Awaited<ReturnType<typeof startSpanReceiver>>
  let tracing: Tracing
  beforeEach(async () => {
    receiver = await startSpanReceiver()
    tracing = createTracing(environment(receiver.url))
  })
  afterEach(() => receiver.stop())

  test('makes spans whose parents are what they were given, and that others can be parts of', async () => {
    const returned = await tracing.span({ name: 'outer', parent: sampled }, (outer) =>
      tracing.span({ name: 'inner', kind: 'producer', parent: outer.traceparent }, () => 7),
    )
    assert.equal(returned, 7)
    await tracing.stop()
    const [inner, outer] = receiver.spans
    assert.deepEqual([outer?.name, outer?.traceId, outer?.parentSpanId], ['outer', TRACE, ROUTER_SPAN])
    assert.deepEqual([inner?.name, inner?.traceId, inner?.parentSpanId], ['inner', TRACE, outer?.spanId])
    assert.deepEqual([outer?.kind, inner?.kind], [1, 4])
    assert.deepEqual(outer?.attributes, { 'cellplane.cell': 'cell-003' })
    assert.equal(outer?.resource['service.version'], 'r7')
    assert.equal(outer?.resource['cellplane.fleet'], 'shop')
    assert.deepEqual(tracing.counts(), { exported: 2, dropped: 0 })
  })

  test('keeps every failure, thrown or said, and of the rest what the router samples', async () => {
    const broken = Object.assign(new Error('secret'), { code: 'ECONNREFUSED' })
    await tracing.span({ name: 'fine', parent: notSampled }, () => {})
    await tracing.span({ name: 'own', parent: undefined }, () => {})
    await tracing.span({ name: 'said', parent: notSampled }, (span) => {
      span.set({ attempt: 3 })
      span.fail('refused')
    })
    const thrown = tracing.span({ name: 'thrown', parent: null }, () => Promise.reject(broken))
    await assert.rejects(thrown, broken)
    await tracing.stop()
    const shown = receiver.spans.map(({ name, status, attributes }) => ({ name, status, attributes }))
    const cell = { 'cellplane.cell': 'cell-003' }
    assert.deepEqual(shown, [
      { name: 'said', status: { code: 2 }, attributes: { ...cell, 'error.type': 'refused', attempt: '3' } },
      { name: 'thrown', status: { code: 2 }, attributes: { ...cell, 'error.type': 'ECONNREFUSED' } },
    ])
  })
})

test('without a receiver the context goes on, and nothing is kept', async () => {
  const tracing = createTracing(environment())
  const { trace, traceparent } = await tracing.span({ name: 'job', parent: sampled }, (span) => span)
  assert.deepEqual([trace.traceId, trace.parentSpanId, trace.isSampled], [TRACE, ROUTER_SPAN, true])
  assert.equal(traceparent, `00-${TRACE}-${trace.spanId}-01`)
  tracing.served({
    ...{ trace: undefined, startedAt: 0, method: 'GET', path: '/', route: '/', status: 500 },
    tenant: undefined,
  })
  assert.deepEqual(tracing.counts(), { exported: 0, dropped: 0 })
  await tracing.stop()
})

test('in a Hono app each request leaves a span: the router’s child, with its route and answer', async () => {
  const receiver = await startSpanReceiver()
  const { signal } = new AbortController()
  const cell = createCell(environment(receiver.url), {
    stop: signal,
    logger: createLogger(environment(), { write: () => {} }),
  })
  const app = new Hono<CellEnv>()
  app.use(cellRoutes(cell))
  app.use('/v1/*', admitted(cell))
  app.get('/open/:id', (c) => c.text('for anybody'))
  app.get('/broken', () => {
    throw new Error('oops')
  })
  app.onError((_error, c) => c.text('', 500))
  await app.request('/open/7?secret=x', { headers: { traceparent: sampled } })
  await app.request('/v1/orders/7', { headers: { traceparent: sampled } })
  await app.request('/broken', { headers: { traceparent: notSampled } })
  await app.request('/healthz', { headers: { traceparent: sampled } })
  await cell.tracing.stop()
  const page = await cell.metrics.registry.metrics()
  await receiver.stop()

  const [broken, open, refused] = receiver.spans
  assert.equal(receiver.spans.length, 3, 'the kit’s own paths leave none')
  assert.deepEqual([open?.name, open?.kind, open?.parentSpanId], ['GET /open/:id', 2, ROUTER_SPAN])
  assert.deepEqual(open?.attributes, {
    'cellplane.cell': 'cell-003',
    'http.request.method': 'GET',
    'http.route': '/open/:id',
    'url.path': '/open/7',
    'http.response.status_code': '200',
  })
  assert.deepEqual([refused?.attributes['http.response.status_code'], refused?.status], ['400', undefined])
  assert.deepEqual([broken?.attributes['error.type'], broken?.status], ['500', { code: 2 }])
  assert.match(page, /cellplane_cell_spans_exported_total\{.*cell="cell-003".*\} 3/)
})
