/**
 * Ed25519 signatures over the canonical form of a document: RFC 8785 (JCS) of it without its `signature` field. So any
 * language can verify a document that was parsed and printed again.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { type Parsed, parsed, problem, refused } from '../problem.ts'
import { canonicalJson } from './canonical-json.ts'

export type Signature = { algorithm: 'Ed25519'; key_id: string; value: string }
type Signed = { signature: Signature }

/** The problem code of a document that may be genuine: its key may come to be trusted. */
export const TOPOLOGY_KEY_UNKNOWN = 'TOPOLOGY_KEY_UNKNOWN'

/** Public keys that a consumer trusts, by key id. Two are there at once while keys rotate. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>

export function signDocument<T extends object>(
  document: T,
  keyId: string,
  privateKey: KeyObject,
): T & Signed {
  const value = sign(null, Buffer.from(canonicalJson(document)), privateKey).toString('base64url')
  return { ...document, signature: { algorithm: 'Ed25519', key_id: keyId, value } }
}

export function verifyDocument<T extends Signed>(document: T, keys: TrustedKeys): Parsed<T> {
  const { signature, ...unsigned } = document
  const key = keys.get(signature.key_id)
  if (!key) {
    const known = [...keys.keys()].join(', ') || 'none'
    return refused(
      problem(
        TOPOLOGY_KEY_UNKNOWN,
        'signature.key_id',
        `signed with key "${signature.key_id}"; trusted: ${known}; add the key to the trusted ones first`,
      ),
    )
  }
  const isGenuine = verify(
    null,
    Buffer.from(canonicalJson(unsigned)),
    key,
    Buffer.from(signature.value, 'base64url'),
  )
  return isGenuine
    ? parsed(document)
    : refused(
        problem(
          'TOPOLOGY_SIGNATURE_INVALID',
          'signature.value',
          'the signature does not fit the document; it was changed or signed with another key',
        ),
      )
}

/** RFC 7638 thumbprint: the key's name, the same wherever it is computed. */
export function keyIdOf(key: KeyObject): string {
  const { crv, kty, x } = createPublicKey(
    key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string,
  ).export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}

/** JWK set (public parts only are read) → trusted keys. */
export function trustedKeysOf(jwks: unknown): Parsed<TrustedKeys> {
  const keys = (jwks as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys) || keys.length === 0)
    return refused(
      problem('INVALID_TYPE', 'keys', 'found no keys; expected a JWK set with at least one Ed25519 key'),
    )
  const trusted = new Map<string, KeyObject>()
  for (const [i, jwk] of keys.entries()) {
    try {
      const { kty, crv, x } = jwk as Record<string, string>
      if (kty !== 'OKP' || crv !== 'Ed25519') throw new Error(`kty ${kty}, crv ${crv}`)
      const key = createPublicKey({ key: { kty, crv, x: x ?? '' }, format: 'jwk' })
      trusted.set(keyIdOf(key), key)
    } catch (error) {
      return refused(
        problem('INVALID_VALUE', `keys[${i}]`, `not an Ed25519 JWK (${(error as Error).message})`),
      )
    }
  }
  return parsed(trusted)
}

export const privateKeyFromPem = (pem: string): KeyObject => createPrivateKey(pem)
