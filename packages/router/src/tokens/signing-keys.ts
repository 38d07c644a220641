/**
 * The keys that sign the tenants' tokens: a JWK set from a file or a URL, with the last good one on disk.
 *
 * The set is read again every few minutes, so that a withdrawn key is forgotten, and when a token names a key that is
 * not in it, so that a new key works at once. The second is limited: a stranger can name unknown keys all day.
 */
import { readFile, stat } from 'node:fs/promises'
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { createLocalJWKSet } from 'jose/jwks/local'
import { type FetchWaits, fetchDocument } from '../documents/fetch-document.ts'
import type { LastGood } from '../documents/last-good.ts'
import { textOf } from '../documents/read-document.ts'
import type { DocumentSource, Refusals } from '../documents/refusals.ts'
import type { Logger } from '../log.ts'

export type SigningKeys = {
  /** Null until a set was read. A new set is a new object, so that what was concluded from the old one can be dropped. */
  readonly current: JWTVerifyGetKey | null
  /** Reads the set again, unless that was tried within the last ten seconds. Resolves when it is done; never rejects. */
  refresh(): Promise<void>
  stop(): Promise<void>
}

export type SigningKeysOptions = {
  source: { file: string } | { url: string }
  lastGood: LastGood
  refusals: Refusals
  log: Logger
}

const REFRESH_SPACING_MS = 10_000
const REREAD_MS = 300_000

/** A key is under 1 KB; no issuer has a thousand. */
const JWKS_BYTES_MAX = 1024 * 1024

/** A key set is small, and a router without one waits for it before it starts. */
const JWKS_WAITS: FetchWaits = { headMs: 5_000, silenceMs: 5_000, totalMs: 5_000 }

/** Resolves once there are keys, or the source could not give any. */
export async function startSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { source, lastGood, refusals, log } = options
  const stopping = new AbortController()
  let current: JWTVerifyGetKey | null = null
  let currentText: string | null = null
  let lastTriedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | null = null

  function offer(text: string, from: DocumentSource): boolean {
    const keys = parseKeySet(text)
    if (!keys.ok) {
      refusals.add('jwks', from, keys.problems)
      return false
    }
    if (text !== currentText) current = keys.value
    currentText = text
    return true
  }

  async function readSource(): Promise<void> {
    const before = currentText
    try {
      const text =
        'file' in source ? await readBounded(source.file) : await download(source.url, stopping.signal)
      if (offer(text, 'origin') && text !== before) await lastGood.write('jwks', text)
    } catch (error) {
      if (!stopping.signal.aborted) {
        log.warn('the keys of the tokens could not be read; those known stay in use', {
          why: (error as Error).message,
        })
      }
    }
  }

  function refresh(): Promise<void> {
    if (underWay) return underWay
    if (stopping.signal.aborted || performance.now() - lastTriedAt < REFRESH_SPACING_MS)
      return Promise.resolve()
    lastTriedAt = performance.now()
    underWay = readSource().finally(() => {
      underWay = null
    })
    return underWay
  }

  async function readDisk(): Promise<void> {
    try {
      const file = await lastGood.read('jwks')
      if (file) offer(textOf(file.chunks), 'disk')
    } catch (error) {
      refusals.add('jwks', 'disk', [problem('JWKS_UNREADABLE', '', (error as Error).message)])
    }
  }

  await readDisk()
  const firstRead = refresh()
  // With keys from the disk nobody needs to wait for a server that may be gone.
  if (!current) await firstRead
  const timer = setInterval(refresh, REREAD_MS)

  return {
    get current() {
      return current
    },
    refresh,
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await underWay
    },
  }
}

/** Text → JWK set. An empty one is refused: it would refuse every token. */
function parseKeySet(text: string): Parsed<JWTVerifyGetKey> {
  try {
    const set = JSON.parse(text) as JSONWebKeySet
    if (!Array.isArray(set?.keys) || set.keys.length === 0) {
      return refused(problem('JWKS_EMPTY', 'keys', 'found no keys; expected a JWK set with at least one key'))
    }
    return parsed(createLocalJWKSet(set))
  } catch (error) {
    return refused(problem('JWKS_INVALID', '', `not a JWK set: ${(error as Error).message}`))
  }
}

async function readBounded(file: string): Promise<string> {
  const { size } = await stat(file)
  if (size > JWKS_BYTES_MAX) throw new Error(`${file} has ${size} bytes; at most ${JWKS_BYTES_MAX} are read`)
  return readFile(file, 'utf8')
}

async function download(url: string, signal: AbortSignal): Promise<string> {
  const fetched = await fetchDocument({
    url,
    etag: null,
    bytesMax: JWKS_BYTES_MAX,
    waits: JWKS_WAITS,
    signal,
  })
  if (fetched.kind === 'document') return textOf(fetched.chunks)
  throw new Error(
    fetched.kind === 'unavailable' ? fetched.why : `${url} sent more than ${JWKS_BYTES_MAX} bytes`,
  )
}
