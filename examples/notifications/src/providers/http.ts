/**
 * SMS and push over HTTP: one POST with an Idempotency-Key, as most providers have it.
 *
 * node:http rather than fetch: a cell runs two processes, and fetch's own HTTP stack would cost each some MB more.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Message } from '../notification/notification.ts'
import { detailOf, type Provider, type SendResult } from './provider.ts'

const CONNECTIONS_MAX = 8
/** From the connection to the end of the answer. Far below the lease, so that no one else begins meanwhile. */
const ANSWER_TIMEOUT_MS = 10_000
/** Of an answer this much is read; the rest is not for us. */
const ANSWER_BYTES_MAX = 64 * 1024
/** A provider may ask for patience, but not for a day: the sender's deadline decides, not the provider. */
const RETRY_AFTER_MAX_MS = 10 * 60_000

/** `url` is the address that takes messages of this channel. */
export function createHttpProvider(url: string): Provider {
  const isSecure = url.startsWith('https:')
  const pool = { keepAlive: true, maxSockets: CONNECTIONS_MAX }
  const agent = isSecure ? new HttpsAgent(pool) : new HttpAgent(pool)
  const request = isSecure ? httpsRequest : httpRequest

  return {
    send({ to, subject, body, deliveryKey }: Message, traceparent: string) {
      const text = JSON.stringify({ to, ...(subject === null ? {} : { title: subject }), body })
      const call = request(url, {
        method: 'POST',
        agent,
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          'idempotency-key': deliveryKey,
          traceparent,
        },
      })
      call.end(text)
      return resultOf(call)
    },
    close: () => agent.destroy(),
  }
}

function resultOf(call: ClientRequest): Promise<SendResult> {
  return new Promise((resolve) => {
    // Not `once`: a connection that is cut can say so again.
    call.on('error', (error) => resolve({ outcome: 'failed', detail: detailOf(error.message) }))
    call.once('response', (response) => {
      readBounded(response).then(
        (body) => resolve(judge(response, body)),
        (error: Error) => resolve({ outcome: 'failed', detail: detailOf(error.message) }),
      )
    })
  })
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the provider answered more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function judge(response: IncomingMessage, body: string): SendResult {
  const status = response.statusCode ?? 0
  const detail = detailOf(`HTTP ${status} ${body}`)
  if (status >= 200 && status < 300) return { outcome: 'delivered', detail }
  // RFC 9110: of the 4xx, only these say that the same request may work later.
  const mayWorkLater = status >= 500 || status === 408 || status === 425 || status === 429
  if (!mayWorkLater) return { outcome: 'refused', detail }
  const seconds = Number(response.headers['retry-after'])
  const retryAfterMs =
    Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : 0
  return { outcome: 'failed', detail, retryAfterMs }
}
