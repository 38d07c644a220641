/**
 * Node's HTTP, for the admin port and for what is asked of the control plane.
 *
 * It is fetched instead of imported: to import a built-in module is to read everything that it exports, and among the
 * exports of node:http are those of a browser, for which it loads undici, HTTP/2 and all of web streams: 9 MB in every
 * router for nothing. `fetch` would load the same, so the router's few requests are made with this.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'

export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

export type HttpRequest = {
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  /** Ends the request, or the reading of its answer, with the signal's own reason. */
  signal: AbortSignal
}

export type HttpAnswer = {
  status: number
  etag: string | null
  /** The parts as they arrive. To leave them early ends the connection. */
  body: AsyncIterable<Uint8Array>
  /** For a body that nobody wants, which may be without end. */
  discard(): void
}

/**
 * Resolves when the head of the answer is there. A redirect is an answer like any other and not followed: the control
 * plane sends none, and whoever does must not see the token.
 */
export function request(url: string, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const sent = moduleFor(url).request(url, { method, headers, signal }, (answer) => {
      // These have no body, and their connection can be used again.
      if (answer.statusCode === 204 || answer.statusCode === 304) answer.resume()
      resolve({
        status: answer.statusCode ?? 0,
        etag: answer.headers.etag ?? null,
        body: partsOf(answer, signal),
        discard: () => answer.destroy(),
      })
    })
    sent.on('error', (error) => reject(signal.aborted ? signal.reason : error))
    sent.end(body)
  })
}

async function* partsOf(answer: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of answer) yield part
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

type Requesting = {
  request(url: string, options: RequestOptions, onAnswer: (answer: IncomingMessage) => void): ClientRequest
}

const moduleFor = (url: string): Requesting =>
  process.getBuiltinModule(/^https:/i.test(url) ? 'node:https' : 'node:http')
