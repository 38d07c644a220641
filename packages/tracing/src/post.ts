/**
 * One POST to a receiver, over a connection that is used again.
 *
 * Node's HTTP is fetched instead of imported: to import a built-in module is to read everything that it exports, and among
 * the exports of node:http are those of a browser, for which it loads 9 MB that a router has no use for. `fetch` would
 * load the same.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'

/** Of an answer, what is read so that its connection can be used again; OTLP's are a few bytes, or tell of an error. */
const ANSWER_BYTES_MAX = 16 * 1024

/** The answer's status, once its body is out of the way. A redirect is an answer like any other. */
export function postJson(url: string, body: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    let isAnswered = false
    const sent = moduleFor(url).request(url, { method: 'POST', headers, signal }, (answer) => {
      isAnswered = true
      let bytes = 0
      answer.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > ANSWER_BYTES_MAX) answer.destroy()
      })
      // Its head has said what became of the batch.
      answer.on('error', () => {})
      answer.on('close', () => resolve(answer.statusCode ?? 0))
    })
    sent.on('error', reject)
    // A 101 that nobody asked for destroys the request, with neither an answer nor an error.
    sent.on('close', () => {
      if (!isAnswered) reject(new Error('the connection was closed without an answer'))
    })
    sent.end(body)
  })
}

type Requesting = {
  request(url: string, options: RequestOptions, onAnswer: (answer: IncomingMessage) => void): ClientRequest
}

const moduleFor = (url: string): Requesting =>
  process.getBuiltinModule(/^https:/i.test(url) ? 'node:https' : 'node:http')
