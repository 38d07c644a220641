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
  /** Who asks, for a control plane that gives a new base to one router first. */
  router?: string
  /** ETag of the answer before; an unchanged document then costs no body. */
  etag: string | null
  bytesMax: number
  signal: AbortSignal
}

/** `etag` is that of this answer, also when its document was too large, so that it is not asked for again. */
export type FetchedDocument =
  | { kind: 'document'; chunks: Chunks; etag: string | null }
  | { kind: 'unchanged' }
  | { kind: 'too-large'; etag: string | null }
  | { kind: 'unavailable'; why: string }

/** On one network a document of 32 MiB takes well under a second; after this the server is presumed to hang. */
const FETCH_TIMEOUT_MS = 5_000

/** Never rejects: a server that is gone, slow or talks nonsense is `unavailable`. */
export async function fetchDocument(asked: DocumentRequest): Promise<FetchedDocument> {
  const { url, bearerToken, etag, bytesMax } = asked
  const headers: Record<string, string> = { accept: 'application/json' }
  if (bearerToken !== undefined) headers['authorization'] = `Bearer ${bearerToken}`
  if (asked.router !== undefined) headers[ROUTER_HEADER] = encodeURIComponent(asked.router)
  if (etag !== null) headers['if-none-match'] = etag
  try {
    const response = await request(url, {
      method: 'GET',
      headers,
      signal: AbortSignal.any([asked.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]),
    })
    if (response.status === 304) return { kind: 'unchanged' }
    if (response.status !== 200) {
      response.discard()
      return { kind: 'unavailable', why: `${url} answered ${response.status}; expected 200 or 304` }
    }
    const chunks = await readBounded(response, bytesMax)
    return chunks === undefined
      ? { kind: 'too-large', etag: response.etag }
      : { kind: 'document', chunks, etag: response.etag }
  } catch (error) {
    return { kind: 'unavailable', why: `${url} did not answer: ${(error as Error).message}` }
  }
}

/** Undefined when it is longer than `bytesMax`; what is beyond is never read. */
export async function readBounded({ body }: HttpAnswer, bytesMax: number): Promise<Chunks | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return chunks
}
