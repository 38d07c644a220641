/**
 * Bench: what tracing adds to a request, and what a span that is kept costs later.
 *
 *     npm run bench:tracing
 *
 * Back of the envelope. An id of a span is 16 digits of a string that is there already, the header one string more, the
 * decision a comparison of 8 digits: 0.2 µs, where a request through the router costs tens of µs. A span that is kept
 * is an object and becomes 500 bytes of JSON: some µs, of which one in a hundred requests pays one.
 *
 * Both variants alternate in one run; CPU time, since the machine is shared.
 */
import { otlpJson, spanJson } from '@cellplane/tracing'
import type { RequestHead } from '../http/request-head.ts'
import { identityOf } from '../serve/request-identity.ts'
import { createSampler, isFailure, type RequestSpan, spanOf } from './tracing.ts'

const REQUESTS = 200_000
const ROUNDS = 9
const SPANS = 512
const SAMPLE_SHARE = 0.01

const bare: Pick<RequestHead, 'requestId' | 'traceparent' | 'tracestate'> = {
  requestId: undefined,
  traceparent: undefined,
  tracestate: undefined,
}
const continued = { ...bare, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }
const tracing = { samples: createSampler(SAMPLE_SHARE) }
const source = { scope: 'cellplane.router', resource: { 'service.name': 'cellplane-router' } }
let kept = 0

function trace(head: typeof bare, isOn: boolean): void {
  const identity = identityOf(head as RequestHead, 'continue', isOn ? tracing : null)
  if (!isOn) return
  if (identity.isSampled || isFailure(200, false)) kept++
}

const requestSpan = (traceId: string, spanId: string, parentSpanId: string | null): RequestSpan => ({
  traceId,
  spanId,
  parentSpanId,
  startedAt: 1.7e12 + 0.5,
  endedAt: 1.7e12 + 1.5,
  method: 'GET',
  path: '/v1/orders',
  status: 200,
  isCut: false,
  tenant: 'acme',
  cell: 'cell-001',
})

const rounds = { off: [] as number[], begun: [] as number[], continued: [] as number[], span: [] as number[] }
const requests = Array.from({ length: SPANS }, () => requestSpan('a'.repeat(32), 'b'.repeat(16), null))
const jsonOf = () =>
  otlpJson(
    source,
    requests.map((request) => spanJson(spanOf(request))),
  )
for (let round = 0; round < ROUNDS; round++) {
  rounds.off.push(nsPer(REQUESTS, () => trace(bare, false)))
  rounds.begun.push(nsPer(REQUESTS, () => trace(bare, true)))
  rounds.continued.push(nsPer(REQUESTS, () => trace(continued, true)))
  rounds.span.push(nsPer(1, jsonOf) / SPANS)
}
const medians = Object.fromEntries(
  Object.entries(rounds).map(([variant, values]) => [
    `${variant}_ns`,
    Math.round(values.toSorted((a, b) => a - b)[ROUNDS >> 1]!),
  ]),
)
console.log(JSON.stringify({ ...medians, bytes_per_span: jsonOf().length / SPANS, kept, rounds }))

function nsPer(times: number, run: () => void): number {
  const startedAt = process.cpuUsage()
  for (let i = 0; i < times; i++) run()
  const { user, system } = process.cpuUsage(startedAt)
  return ((user + system) * 1000) / times
}
