import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { startSpanReceiver } from '../testing/span-receiver.ts'
import { until } from '../testing/wait.ts'
import type { Span } from './otlp-json.ts'
import { startSpanExporter } from './span-exporter.ts'

const span = (nth: number, status = 200): Span => ({
  ...{ traceId: 'a'.repeat(32), spanId: String(nth).padStart(16, '0'), parentSpanId: null },
  ...{ startedAt: 1_000.25, endedAt: 1_000.75, method: 'GET', path: '/', status, isCut: false },
  ...{ tenant: null, cell: null },
})

test('queues are bounded, failures have room of their own, and all that is lost is counted', async () => {
  const receiver = await startSpanReceiver()
  const exporter = startSpanExporter(receiver.url, { fleet: 'f', router: 'r' })
  for (let nth = 0; nth < 10_000; nth++) exporter.add(span(nth))
  exporter.add(span(10_000, 500))
  assert.equal(exporter.dropped, 10_000 - 3_072)
  await exporter.stop()
  await receiver.stop()
  assert.equal(receiver.spans[0]!.attributes['http.response.status_code'], '500')
  assert.equal(receiver.spans[0]!.ms, 0.5)
  assert.equal(exporter.exported, receiver.spans.length)
  assert.equal(exporter.exported + exporter.dropped, 10_001)
})

test('batch after batch goes out over one connection', async () => {
  const receiver = await startSpanReceiver()
  const exporter = startSpanExporter(receiver.url, { fleet: 'f', router: 'r' })
  for (let nth = 0; nth < 2_000; nth++) exporter.add(span(nth))
  await until('all of them to be taken', () => exporter.exported === 2_000)
  await exporter.stop()
  await receiver.stop()
  assert.equal(receiver.connections, 1)
})

test('a span that waits keeps nothing alive of what was read, and no more of its path than has a use', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const receiver = await startSpanReceiver()
  const exporter = startSpanExporter(receiver.url, { fleet: 'f', router: 'r' })
  collect()
  const before = process.memoryUsage().heapUsed
  const path = `/${'p'.repeat(8_000)}`
  const method = 'A-LONG-METHOD-OF-ITS-OWN'
  const parent = 'b7ad6b7169203331'
  for (let nth = 0; nth < 3_072; nth++) {
    // Cut out of what was read, as a head's texts are.
    const read = Buffer.from(`${method} ${path} ${parent} ${nth}`.padEnd(16_000)).toString('latin1')
    const pathAt = method.length + 1
    const parentAt = pathAt + path.length + 1
    exporter.add({
      ...span(nth),
      method: read.slice(0, method.length),
      path: read.slice(pathAt, pathAt + path.length),
      parentSpanId: read.slice(parentAt, parentAt + parent.length),
    })
  }
  collect()
  const kept = process.memoryUsage().heapUsed - before
  await exporter.stop()
  await receiver.stop()
  // They would be 49 MB with what was read, and 25 MB with their whole paths.
  assert.ok(kept < 10e6, `${kept} bytes are kept`)
  const { name, parentSpanId, attributes } = receiver.spans[0]!
  assert.deepEqual([name, parentSpanId], [method, parent])
  assert.equal(attributes['url.path'], path.slice(0, 512))
})
