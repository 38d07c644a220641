import assert from 'node:assert/strict'
import { test } from 'node:test'
import { continueTrace, formatTraceparent } from './trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

test('a hop keeps the trace and the sampling, and names a span of its own', () => {
  const hop = continueTrace(`00-${TRACE}-${SPAN}-01`)
  assert.equal(hop.traceId, TRACE)
  assert.equal(hop.parentSpanId, SPAN)
  assert.equal(hop.isSampled, true)
  assert.notEqual(hop.spanId, SPAN)
  assert.equal(formatTraceparent(hop), `00-${TRACE}-${hop.spanId}-01`)
})

test('a later version is read as far as it is known', () => {
  assert.equal(continueTrace(`cc-${TRACE}-${SPAN}-00-what-comes`).traceId, TRACE)
})

test('a malformed header begins a new trace', () => {
  const malformed = [
    undefined,
    '',
    'nonsense',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  ]
  for (const header of malformed) {
    const trace = continueTrace(header)
    assert.notEqual(trace.traceId, TRACE, `after ${header}`)
    assert.equal(trace.parentSpanId, undefined)
    assert.match(formatTraceparent(trace), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  }
})
