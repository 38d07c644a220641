/** One GET of a document over HTTP: conditional, timed, and cut off at a size limit while it arrives. */

export type DocumentRequest = {
  url: string
  bearerToken?: string
  /** ETag of the answer before; an unchanged document then costs no body. */
  etag: string | null
  bytesMax: number
  signal: AbortSignal
}

/** `etag` is that of this answer, also when its document was too large, so that it is not asked for again. */
export type FetchedDocument =
  | { kind: 'document'; text: string; etag: string | null }
  | { kind: 'unchanged' }
  | { kind: 'too-large'; etag: string | null }
  | { kind: 'unavailable'; why: string }

/** On one network a document of 32 MiB takes well under a second; after this the server is presumed to hang. */
const FETCH_TIMEOUT_MS = 5_000

/** Never rejects: a server that is gone, slow or talks nonsense is `unavailable`. */
export async function fetchDocument(request: DocumentRequest): Promise<FetchedDocument> {
  const { url, bearerToken, etag, bytesMax } = request
  const headers: Record<string, string> = { accept: 'application/json' }
  if (bearerToken !== undefined) headers['authorization'] = `Bearer ${bearerToken}`
  if (etag !== null) headers['if-none-match'] = etag
  try {
    const response = await fetch(url, {
      headers,
      redirect: 'error',
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]),
    })
    if (response.status === 304) return { kind: 'unchanged' }
    if (response.status !== 200) {
      await response.body?.cancel()
      return { kind: 'unavailable', why: `${url} answered ${response.status}; expected 200 or 304` }
    }
    const text = await readBounded(response, bytesMax)
    const newEtag = response.headers.get('etag')
    return text === undefined
      ? { kind: 'too-large', etag: newEtag }
      : { kind: 'document', text, etag: newEtag }
  } catch (error) {
    return { kind: 'unavailable', why: `${url} did not answer: ${whyFetchFailed(error)}` }
  }
}

/** Undefined when it is longer than `bytesMax`; what is beyond is never read. */
async function readBounded(response: Response, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels the stream.
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `fetch failed` alone says nothing; its cause does. */
export function whyFetchFailed(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
