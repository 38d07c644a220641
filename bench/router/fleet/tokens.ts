/** Tokens for the row that has the key in them: an issuer of this run, and its EdDSA token for every tenant. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { TENANT_COUNT, tenantName } from '../workload.ts'

const ISSUER = 'https://issuer.bench.example'
const AUDIENCE = 'bench'
const CLAIM = 'tenant'
const KEY_ID = 'bench-1'
/** Longer than any run. */
const LIFE_SECONDS = 24 * 3600

/** What a router must know of the issuer; `jwks` is its JWK set as JSON. */
export type Issuer = { jwks: string; issuer: string; audience: string; claim: string }

/** `tokens` are by tenant. */
export function issueTokens(): { issuer: Issuer; tokens: string[] } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'EdDSA' }
  const now = Math.floor(Date.now() / 1000)
  return {
    issuer: { jwks: JSON.stringify({ keys: [jwk] }), issuer: ISSUER, audience: AUDIENCE, claim: CLAIM },
    tokens: Array.from({ length: TENANT_COUNT }, (_, tenant) => tokenOf(tenantName(tenant), now, privateKey)),
  }
}

function tokenOf(tenant: string, now: number, key: KeyObject): string {
  const parts = [
    { alg: 'EdDSA', kid: KEY_ID },
    { iss: ISSUER, aud: AUDIENCE, iat: now, exp: now + LIFE_SECONDS, [CLAIM]: tenant },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  const signed = parts.join('.')
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
}
