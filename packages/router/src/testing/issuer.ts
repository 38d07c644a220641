/** A token issuer for tests. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export const TOKENS = {
  issuer: 'https://issuer.test',
  audience: 'service.test',
  algorithms: ['EdDSA' as const, 'RS256' as const],
}

export type Issuer = Awaited<ReturnType<typeof createIssuer>>

export async function createIssuer(kid: string, algorithm: 'EdDSA' | 'RS256' = 'EdDSA') {
  const { privateKey, publicKey } = await generateKeyPair(algorithm)
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm }
  return {
    jwk,
    /** `claims` replace the defaults; undefined takes one out. */
    issue(claims: Record<string, unknown>): Promise<string> {
      const now = Math.floor(Date.now() / 1000)
      const payload = { iss: TOKENS.issuer, aud: TOKENS.audience, iat: now, exp: now + 3600, ...claims }
      const present = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined))
      return new SignJWT(present).setProtectedHeader({ alg: algorithm, kid }).sign(privateKey)
    },
  }
}
