/**
 * The issuer's public keys, from a file or a URL, kept fresh without standing in anyone's way.
 *
 * Keys rotate: a token signed with a key that is not known yet makes us look again, at most once in a while, so that
 * made-up key ids cannot make us hammer the issuer. Keys are also taken back: what was loaded is looked at again after
 * its age is up. While the source is gone the last good set stays, because an issuer's outage must not become ours.
 */
import { readFile } from 'node:fs/promises'
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'

export type KeySet = {
  /** Resolves the key of a token for jose. Throws KeysUnavailableError when no set was ever loaded. */
  getKey: JWTVerifyGetKey
  /** Looks at the source again if the last look is long enough ago; true when the keys changed. Shares one look. */
  refresh(reason: 'age' | 'unknown-key'): Promise<boolean>
}

export class KeysUnavailableError extends Error {
  override name = 'KeysUnavailableError'
}

/** A key that was taken back stops working this much later. The usual value of identity providers' own caches. */
const KEYS_AGE_MAX_MS = 10 * 60_000
/** Unknown key ids and failed looks cause at most one look in this time. */
const LOOK_INTERVAL_MIN_MS = 10_000
/** Without any keys every request fails, so we look more often. */
const FIRST_LOOK_INTERVAL_MIN_MS = 500
const FETCH_TIMEOUT_MS = 3000
/** Real sets have a few keys of under 1 KB each. */
const KEY_SET_BYTES_MAX = 256 * 1024

export function createKeySet(source: string, clock: () => number = Date.now): KeySet {
  let text = ''
  let current: ReturnType<typeof createLocalJWKSet> | undefined
  let loadedAt = Number.NEGATIVE_INFINITY
  let lookedAt = Number.NEGATIVE_INFINITY
  let looking: Promise<boolean> | undefined
  let lastError: unknown

  async function look(): Promise<boolean> {
    lookedAt = clock()
    try {
      const found = /^https?:\/\//.test(source) ? await fetchText(source) : await readFile(source, 'utf8')
      const next = createLocalJWKSet(JSON.parse(found) as JSONWebKeySet)
      const hasChanged = found !== text
      text = found
      current = next
      loadedAt = lookedAt
      return hasChanged
    } catch (error) {
      lastError = error
      return false
    }
  }

  const refresh: KeySet['refresh'] = (reason) => {
    if (looking) return looking
    const now = clock()
    const isDue = reason === 'unknown-key' || now - loadedAt >= KEYS_AGE_MAX_MS
    const interval = current ? LOOK_INTERVAL_MIN_MS : FIRST_LOOK_INTERVAL_MIN_MS
    if (!isDue || now - lookedAt < interval) return Promise.resolve(false)
    looking = look().finally(() => {
      looking = undefined
    })
    return looking
  }

  return {
    refresh,
    getKey: async (header, token) => {
      if (!current) await refresh('age')
      if (!current) {
        throw new KeysUnavailableError(`no keys could be read from ${source}`, { cause: lastError })
      }
      return current(header, token)
    },
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}; expected 200 with a JWK set`)
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.length > KEY_SET_BYTES_MAX) {
      throw new Error(`${url} answered more than ${KEY_SET_BYTES_MAX} bytes; a JWK set is far smaller`)
    }
  }
  return text
}
