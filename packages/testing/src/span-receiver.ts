/** An OTLP/HTTP receiver for tests: a real server that keeps what it was sent, and answers as it is told. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type ReceivedSpan = {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  kind: number
  ms: number
  status: { code: number } | undefined
  attributes: Record<string, string | undefined>
  resource: Record<string, string | undefined>
}

type Value = { stringValue?: string; intValue?: string; doubleValue?: number; boolValue?: boolean }
type Attributes = { key: string; value: Value }[]
type Body = {
  resourceSpans: {
    resource: { attributes: Attributes }
    scopeSpans: {
      spans: (Omit<ReceivedSpan, 'ms' | 'attributes' | 'resource'> & {
        startTimeUnixNano: string
        endTimeUnixNano: string
        attributes: Attributes
      })[]
    }[]
  }[]
}

export async function startSpanReceiver() {
  const spans: ReceivedSpan[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    if (receiver.status === 200) spans.push(...read(JSON.parse(text) as Body))
    response.writeHead(receiver.status).end('{}')
  })
  server.on('connection', () => {
    receiver.connections++
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const receiver = {
    spans,
    status: 200,
    /** That were opened to it. */
    connections: 0,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    async stop(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return receiver
}

function read({ resourceSpans }: Body): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ startTimeUnixNano, endTimeUnixNano, attributes, ...span }) => ({
        ...span,
        ms: Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6,
        attributes: valuesOf(attributes),
        resource: valuesOf(resource.attributes),
      })),
    ),
  )
}

const valuesOf = (attributes: Attributes) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]))
