/** An HTTP client for tests that sends exactly what it is told, header by header. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { request as requestByTls, Agent as TlsAgent } from 'node:https'
import type { ConnectionOptions } from 'node:tls'

export type Sent = {
  method?: string
  path?: string
  /** Flat, so that a header can be sent twice; `host` is added. */
  headers?: readonly string[]
  body?: string | Buffer
  agent?: Agent
  /** Over TLS, on a connection of its own. */
  tls?: ConnectionOptions
}

export type Received = {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The parsed body; tests name its fields. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer under test has any shape
  json: any
}

/** Rejects when the connection ends without a whole answer. */
export function send(port: number, sent: Sent = {}): Promise<Received> {
  const {
    method = 'GET',
    path = '/',
    headers = [],
    body,
    tls,
    agent = tls ? new TlsAgent() : new Agent(),
  } = sent
  return new Promise((resolve, reject) => {
    const hasHost = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'host')
    const upstream = (tls ? requestByTls : request)({
      ...tls,
      port,
      host: '127.0.0.1',
      method,
      path,
      agent,
      headers: [
        ...(hasHost ? [] : ['host', 'router.test']),
        ...headers,
        ...(body === undefined ? [] : ['content-length', String(Buffer.byteLength(body))]),
      ],
    })
    upstream.on('error', reject)
    upstream.on('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const isJson = /json/.test(answer.headers['content-type'] ?? '') && text !== ''
        resolve({
          status: answer.statusCode!,
          headers: answer.headers,
          text,
          json: isJson ? JSON.parse(text) : undefined,
        })
      })
    })
    upstream.end(body)
  })
}
