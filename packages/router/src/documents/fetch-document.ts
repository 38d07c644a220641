/**
 * One GET of a document over HTTP: conditional, timed, and cut off at a size limit while it arrives. It stays in the parts
 * in which it came: to join them would take a large document's time once more.
 */
import { ROUTER_HEADER } from '@cellplane/contract'
import { type HttpAnswer, request } from '../node-http.ts'
import type { Chunks } from './read-document.ts'

export type DocumentRequest = {
  url: string
  bearerToken?: string
  /** Others to send, as a signature is; what is signed must be sent as it is. */
  headers?: Readonly<Record<string, string>>
  /** Who asks, for a control plane that gives a new base to one router first. */
  router?: string
  /** ETag of the answer before; an unchanged document then costs no body. */
  etag: string | null
  bytesMax: number
  waits: FetchWaits
  signal: AbortSignal
}

/** `etag` is that of this answer, also when its document was too large, so that it is not asked for again. */
export type FetchedDocument =
  | { kind: 'document'; chunks: Chunks; etag: string | null }
  | { kind: 'unchanged' }
  | { kind: 'too-large'; etag: string | null }
  | { kind: 'unavailable'; why: string }

/** What comes later than these is not waited for; the next poll asks anew. */
export type FetchWaits = {
  /** From the question to the head of its answer. */
  headMs: number
  /** Without one byte of the body. */
  silenceMs: number
  /** From the question to the end of its answer. */
  totalMs: number
}

/**
 * A server that says nothing for 5 s is presumed to hang. One that sends is waited for, as a document that is cut off is
 * fetched from its beginning at the next poll: in a minute 32 MiB come over a line of 5 Mbit/s.
 */
export const FETCH_WAITS: FetchWaits = { headMs: 5_000, silenceMs: 5_000, totalMs: 60_000 }

/** Never rejects: a server that is gone, slow or talks nonsense is `unavailable`. */
export async function fetchDocument(asked: DocumentRequest): Promise<FetchedDocument> {
  const { url, bearerToken, etag, bytesMax, waits } = asked
  const headers: Record<string, string> = { accept: 'application/json', ...asked.headers }
  if (bearerToken !== undefined) headers['authorization'] = `Bearer ${bearerToken}`
  if (asked.router !== undefined) headers[ROUTER_HEADER] = encodeURIComponent(asked.router)
  if (etag !== null) headers['if-none-match'] = etag
  const patience = startPatience(waits)
  try {
    const response = await request(url, {
      method: 'GET',
      headers,
      signal: AbortSignal.any([asked.signal, patience.signal]),
    })
    if (response.status === 304) return { kind: 'unchanged' }
    if (response.status !== 200) {
      response.discard()
      return { kind: 'unavailable', why: `${url} answered ${response.status}; expected 200 or 304` }
    }
    patience.onPart()
    const chunks = await readBounded(response, bytesMax, patience.onPart)
    return chunks === undefined
      ? { kind: 'too-large', etag: response.etag }
      : { kind: 'document', chunks, etag: response.etag }
  } catch (error) {
    return { kind: 'unavailable', why: `${url} gave no document: ${(error as Error).message}` }
  } finally {
    patience.end()
  }
}

/** Its signal aborts, with what was waited for, when one of the waits is over. */
function startPatience({ headMs, silenceMs, totalMs }: FetchWaits) {
  const over = new AbortController()
  const giveUpAfter = (ms: number, what: string) =>
    setTimeout(() => over.abort(new Error(`${what} within ${ms} ms`)), ms)
  const total = giveUpAfter(totalMs, 'the answer did not come in full')
  let next = giveUpAfter(headMs, 'no head came')
  return {
    signal: over.signal,
    /** The head has come, or a part of the body. */
    onPart(): void {
      clearTimeout(next)
      next = giveUpAfter(silenceMs, 'nothing more of the answer came')
    },
    end(): void {
      clearTimeout(total)
      clearTimeout(next)
    },
  }
}

/** Undefined when it is longer than `bytesMax`; what is beyond is never read. `onPart` is called with each part. */
export async function readBounded(
  { body }: HttpAnswer,
  bytesMax: number,
  onPart = () => {},
): Promise<Chunks | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    onPart()
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return chunks
}
