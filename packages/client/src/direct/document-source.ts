/** Fetches the topology's documents from the control plane, each only when it has changed (ETag). */
import { type Parsed, parsed, problem, refused, TOPOLOGY_BYTES_MAX } from '@cellplane/contract'
import { OPERATIONS } from '@cellplane/contract/api'
import { readText } from '../bounded-body.ts'
import { reasonOf } from '../fetch-failure.ts'

export type DocumentKind = 'base' | 'overlay'

const PATHS = { base: OPERATIONS.getBase.path, overlay: OPERATIONS.getOverlay.path }
/** A base of 32 MB over a slow line. */
const TIMEOUT_MS = 30_000

export function createDocumentSource(options: {
  url: string
  token: string
  fetch?: typeof fetch
  signal: AbortSignal
}) {
  const etags = new Map<DocumentKind, string>()
  return {
    /** The document's text, or null when it is the one that was fetched before. Never rejects. */
    async fetch(kind: DocumentKind): Promise<Parsed<string | null>> {
      const etag = etags.get(kind)
      try {
        const response = await (options.fetch ?? fetch)(`${options.url.replace(/\/+$/, '')}${PATHS[kind]}`, {
          headers: {
            authorization: `Bearer ${options.token}`,
            accept: 'application/json',
            ...(etag === undefined ? {} : { 'if-none-match': etag }),
          },
          redirect: 'error',
          signal: AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        })
        const text = await readText(response, TOPOLOGY_BYTES_MAX)
        if (response.status === 304) return parsed(null)
        if (!response.ok) return unavailable(kind, `the control plane answered ${response.status}`)
        const newer = response.headers.get('etag')
        if (newer === null) etags.delete(kind)
        else etags.set(kind, newer)
        return parsed(text)
      } catch (error) {
        return unavailable(kind, reasonOf(error))
      }
    },
  }
}

function unavailable(kind: DocumentKind, why: string): Parsed<never> {
  return refused(
    problem(
      'TOPOLOGY_UNAVAILABLE',
      kind,
      `the ${kind} could not be fetched (${why}); the last good one stays`,
    ),
  )
}
