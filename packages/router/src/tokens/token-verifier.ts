/**
 * Bearer token → the tenant that it proves, or why it proves none.
 *
 * A signature costs about 150 µs to check, so tokens that were verified are remembered until they expire, with the claim
 * and for the policy that they were checked against: a stricter policy asks anew. They are compared as a whole; a digest
 * in their place would cost more than all the rest of the look-up, and the process has them in its buffers anyway.
 * Failures are not remembered; there is no end of wrong tokens.
 */
import { partitionKeyProblem, type TokenPolicy } from '@cellplane/contract'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import * as errors from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import { copyText } from '../http/request-head.ts'
import type { SigningKeys } from './signing-keys.ts'

export type TokenVerdict =
  | { ok: true; tenant: string }
  | {
      ok: false
      code: 'TOKEN_INVALID' | 'TOKEN_EXPIRED' | 'KEYS_UNAVAILABLE' | 'PARTITION_KEY_INVALID'
      detail: string
    }

export type TokenVerifier = {
  /** The tenant of a token that was verified before and is still good; undefined when it has to be verified. */
  remembered(token: string, claim: string, policy: TokenPolicy | null): string | undefined
  /** Verifies, and remembers. */
  verify(token: string, claim: string, policy: TokenPolicy | null): Promise<TokenVerdict>
  readonly cachedCount: number
}

/** Clocks of issuers and routers differ a little; a token from two seconds in the future is no attack. */
const CLOCK_TOLERANCE_SECONDS = 5

type Remembered = { tenant: string; claim: string; expiresAt: number }

export function createTokenVerifier(keys: SigningKeys, cachedMax: number): TokenVerifier {
  const verified = new Map<string, Remembered>()
  let policyOfCache: TokenPolicy | null = null
  let policyTextOfCache = ''
  let keysOfCache: JWTVerifyGetKey | null = null

  function remember(token: string, remembered: Remembered): void {
    if (cachedMax === 0) return
    if (verified.size >= cachedMax) verified.delete(verified.keys().next().value!)
    verified.set(copyText(token), remembered)
  }

  /** What was concluded from other keys, or for another policy, is not what holds now. A new base repeats the policy. */
  function forgetOthers(policy: TokenPolicy): void {
    if (keysOfCache === keys.current && policyOfCache === policy) return
    const text = JSON.stringify(policy)
    if (keysOfCache !== keys.current || policyTextOfCache !== text) verified.clear()
    keysOfCache = keys.current
    policyOfCache = policy
    policyTextOfCache = text
  }

  return {
    remembered(token, claim, policy) {
      if (!policy || !keys.current) return undefined
      forgetOthers(policy)
      const known = verified.get(token)
      return known && known.claim === claim && known.expiresAt > Date.now() ? known.tenant : undefined
    },
    async verify(token, claim, policy) {
      if (!policy) return unavailable('this fleet’s topology names no token issuer')
      if (!keys.current) await keys.refresh()
      if (!keys.current) return unavailable('the keys that sign tokens are not known yet')
      forgetOthers(policy)

      const checked = await check(token, policy, keys)
      if (!checked.ok) return checked
      const tenant = checked.payload[claim]
      if (typeof tenant !== 'string') return invalid(`the token has no claim "${claim}" that is a string`)
      const why = partitionKeyProblem(tenant)
      if (why) return { ok: false, code: 'PARTITION_KEY_INVALID', detail: `in the claim "${claim}" ${why}` }
      // The keys may have been replaced meanwhile, and the cache be theirs already.
      const isCurrent =
        checked.by === keys.current && keysOfCache === keys.current && policyOfCache === policy
      if (isCurrent) remember(token, { tenant, claim, expiresAt: checked.payload.exp! * 1000 })
      return { ok: true, tenant }
    },
    get cachedCount() {
      return verified.size
    },
  }
}

type Failed = Exclude<TokenVerdict, { ok: true }>
type Checked = { ok: true; payload: JWTPayload; by: JWTVerifyGetKey } | Failed

async function check(token: string, policy: TokenPolicy, keys: SigningKeys): Promise<Checked> {
  const options = {
    issuer: policy.issuer,
    audience: policy.audience,
    algorithms: policy.algorithms,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp'],
  }
  const withCurrentKeys = async (): Promise<Checked> => {
    const by = keys.current!
    const { payload } = await jwtVerify(token, by, options)
    return { ok: true, payload, by }
  }
  try {
    return await withCurrentKeys().catch(async (error: unknown) => {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      const before = keys.current
      await keys.refresh()
      if (keys.current === before) throw error
      return withCurrentKeys()
    })
  } catch (error) {
    return explain(error)
  }
}

/** What the caller may know. The library's own message is not repeated: it is not a contract. */
function explain(error: unknown): Failed {
  if (error instanceof errors.JWTExpired) {
    return { ok: false, code: 'TOKEN_EXPIRED', detail: 'the token has expired; get a new one' }
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(
      error.reason === 'missing'
        ? `the token lacks the claim "${error.claim}"`
        : `the token’s claim "${error.claim}" is not what this service expects`,
    )
  }
  if (error instanceof errors.JWKSNoMatchingKey)
    return invalid('the token is signed with a key that is not trusted')
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalid('the token’s signature is wrong')
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid('the token’s algorithm is not allowed here')
  return invalid('the token is malformed')
}

const invalid = (detail: string): Failed => ({ ok: false, code: 'TOKEN_INVALID', detail })
const unavailable = (detail: string): Failed => ({ ok: false, code: 'KEYS_UNAVAILABLE', detail })
