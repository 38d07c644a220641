/**
 * Who is asking: the bearer token, verified by the cell itself.
 *
 * The router has verified it already. The cell does it again because it is the last one who can: a confused router, a
 * forged header or a caller who found the cell's port must not read another tenant's data. A signature takes some 150 µs
 * to check and clients repeat their tokens, so verdicts are remembered until the token expires, in a bounded table.
 */
import { hash } from 'node:crypto'
import { partitionKeyProblem } from '@cellplane/contract/cell'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { TokenConfig } from '../config.ts'
import { createKeySet, type KeySet, KeysUnavailableError } from './key-set.ts'

export type TokenVerdict =
  | { ok: true; tenant: string; claims: JWTPayload }
  | {
      ok: false
      code: 'TOKEN_MISSING' | 'TOKEN_INVALID' | 'TOKEN_EXPIRED' | 'KEYS_UNAVAILABLE'
      detail: string
    }

export type TokenVerifier = { verify(authorization: string | undefined): Promise<TokenVerdict> }

/** Identity providers' tokens are 1–4 KB. */
const TOKEN_BYTES_MAX = 8192
/** Clocks of issuer and cell may differ by this much. */
const CLOCK_TOLERANCE_S = 5
/** Remembered verdicts. Some 400 bytes each, so under 1 MB; tokens are kept as digests, never as they came. */
const VERDICTS_MAX = 2000

const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i

export function createTokenVerifier(
  config: TokenConfig,
  keys: KeySet = createKeySet(config.jwks),
  clock: () => number = Date.now,
): TokenVerifier {
  /** In order of use, the longest unused first. Only accepted tokens: a refused one costs its sender, not us, memory. */
  const verdicts = new Map<string, Extract<TokenVerdict, { ok: true }>>()

  return {
    async verify(authorization) {
      if (authorization === undefined || authorization === '') {
        return { ok: false, code: 'TOKEN_MISSING', detail: 'send the header "Authorization: Bearer <token>"' }
      }
      const token = authorization.length <= TOKEN_BYTES_MAX ? BEARER.exec(authorization)?.[1] : undefined
      if (token === undefined) {
        return invalid(
          `the Authorization header is not "Bearer <token>" with a signed JWT of at most ${TOKEN_BYTES_MAX} bytes`,
        )
      }
      // Not waited for: an issuer that is slow to answer must not slow our requests.
      void keys.refresh('age').then((hasChanged) => hasChanged && verdicts.clear())
      const digest = hash('sha256', token, 'base64')
      const known = verdicts.get(digest)
      if (known) {
        verdicts.delete(digest)
        if (!isExpired(known.claims, clock())) {
          verdicts.set(digest, known)
          return known
        }
      }
      const verdict = await judge(token)
      if (verdict.ok) {
        if (verdicts.size >= VERDICTS_MAX) verdicts.delete(verdicts.keys().next().value!)
        verdicts.set(digest, verdict)
      }
      return verdict
    },
  }

  async function judge(token: string): Promise<TokenVerdict> {
    try {
      return tenantOf(await verifySignature(token).catch(lookForNewKey))
    } catch (error) {
      return refusalOf(error)
    }

    async function lookForNewKey(error: unknown): Promise<JWTPayload> {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await keys.refresh('unknown-key'))) throw error
      verdicts.clear()
      return verifySignature(token)
    }
  }

  async function verifySignature(token: string): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys.getKey, {
      issuer: config.issuer,
      audience: config.audience,
      algorithms: config.algorithms,
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(clock()),
    })
    return payload
  }

  function tenantOf(claims: JWTPayload): TokenVerdict {
    const tenant = claims[config.tenantClaim]
    if (typeof tenant !== 'string') {
      return invalid(`the token has no claim "${config.tenantClaim}" that is a string`)
    }
    const why = partitionKeyProblem(tenant)
    return why
      ? invalid(`the claim "${config.tenantClaim}" names no tenant: ${why}`)
      : { ok: true, tenant, claims }
  }
}

function isExpired(claims: JWTPayload, now: number): boolean {
  return (claims.exp ?? 0) + CLOCK_TOLERANCE_S <= now / 1000
}

function refusalOf(error: unknown): TokenVerdict {
  if (error instanceof KeysUnavailableError) {
    return {
      ok: false,
      code: 'KEYS_UNAVAILABLE',
      detail: 'the issuer’s keys could not be read yet; try again soon',
    }
  }
  if (error instanceof errors.JWTExpired) {
    return { ok: false, code: 'TOKEN_EXPIRED', detail: 'the token has expired; get a new one' }
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(`the token’s claim "${error.claim}" is missing or not the expected one`)
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return invalid('the token is signed with a key that the issuer does not have')
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return invalid('the token’s signature does not fit')
  }
  if (error instanceof errors.JOSEError)
    return invalid('the token is malformed, or its algorithm is not accepted')
  throw error
}

function invalid(detail: string): TokenVerdict {
  return { ok: false, code: 'TOKEN_INVALID', detail }
}
