import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startSpanReceiver } from '@cellplane/testing'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { type FakeFleet, FLEET, startFakeFleet } from '../testing/fake-fleet.ts'
import { readMetric } from '../testing/metrics.ts'
import { until } from '../testing/wait.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CLIENT_SPAN = 'b7ad6b7169203331'

describe('a router with a receiver of spans', () => {
  let fleet: FakeFleet
  let receiver: Awaited<ReturnType<typeof startSpanReceiver>>
  let router: Router
  let tenant: string

  before(async () => {
    fleet = await startFakeFleet()
    receiver = await startSpanReceiver()
    router = await fleet.startRouter({ traces: { otlp_url: receiver.url, sample_share: 0 } })
    tenant = fleet.tenantOn(1, 0)
    await until(
      'a topology',
      async () => (await send(router.port, { headers: ['x-tenant', tenant] })).status === 200,
    )
  })
  after(async () => {
    await fleet.stop()
    await receiver.stop()
  })

  const get = (path: string, ...headers: string[]) =>
    send(router.port, { path, headers: ['x-tenant', tenant, ...headers] })
  const spanOf = async (path: string) =>
    (await until(`a span of ${path}`, async () =>
      receiver.spans.find(({ attributes }) => attributes['url.path'] === path),
    ))!

  test('continues a client’s trace: its span is the client’s child, and the cell’s parent', async () => {
    await get('/continued?secret=x', 'traceparent', `00-${TRACE}-${CLIENT_SPAN}-01`)
    const span = await spanOf('/continued')
    assert.deepEqual([span.traceId, span.parentSpanId, span.kind], [TRACE, CLIENT_SPAN, 2])
    const { headers } = fleet.cells[1]!.seen.find(({ path }) => path.startsWith('/continued'))!
    assert.equal(headers['traceparent'], `00-${TRACE}-${span.spanId}-01`)
    assert.notEqual(span.spanId, CLIENT_SPAN)
    assert.ok(span.ms > 0)
  })

  test('says tenant, cell and answer, and nothing of the query', async () => {
    const span = await spanOf('/continued')
    assert.deepEqual(span.attributes, {
      'http.request.method': 'GET',
      'url.path': '/continued',
      'http.response.status_code': '200',
      'cellplane.cell': 'cell-1',
      'cellplane.tenant': tenant,
    })
    assert.equal(span.status, undefined)
    assert.equal(span.resource['cellplane.fleet'], FLEET)
    assert.equal(span.resource['service.instance.id'], 'router-1')
  })

  test('keeps every failure, and of the rest what is sampled', async () => {
    await get('/not-sampled')
    await get('/client-does-not-want', 'traceparent', `00-${TRACE}-${CLIENT_SPAN}-00`)
    fleet.cells[1]!.answer = (_seen, response) => response.writeHead(503).end()
    await send(router.port, { method: 'POST', path: '/failed', headers: ['x-tenant', tenant] })
    const span = await spanOf('/failed')
    assert.deepEqual(span.status, { code: 2 })
    assert.equal(span.attributes['error.type'], '503')
    assert.equal(span.parentSpanId, undefined)
    const paths = receiver.spans.map(({ attributes }) => attributes['url.path'])
    assert.ok(!paths.includes('/not-sampled') && !paths.includes('/client-does-not-want'), String(paths))
    const { headers } = fleet.cells[1]!.seen.find(({ path }) => path === '/not-sampled')!
    assert.match(String(headers['traceparent']), /-00$/)
  })

  test('serves as before when the receiver fails, and counts what it lost', async () => {
    receiver.status = 503
    fleet.cells[1]!.answer = (_seen, response) => response.end('served')
    const { status } = await get('/lost', 'traceparent', `00-${TRACE}-${CLIENT_SPAN}-01`)
    assert.equal(status, 200)
    await until('a span to be given up', async () => {
      const dropped = await readMetric(router.adminPort, 'spans_dropped_total')
      return dropped[''] === 1
    })
    const exported = await readMetric(router.adminPort, 'spans_exported_total')
    assert.equal(exported[''], receiver.spans.length)
  })

  test('sends what waits when it stops', async () => {
    receiver.status = 200
    await get('/last', 'traceparent', `00-${TRACE}-${CLIENT_SPAN}-01`)
    await router.stop()
    assert.ok(receiver.spans.some(({ attributes }) => attributes['url.path'] === '/last'))
  })
})
