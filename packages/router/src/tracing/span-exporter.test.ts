import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSpanReceiver } from '../testing/span-receiver.ts'
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
