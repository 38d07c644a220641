/**
 * Tokens, where the configuration names the keys that sign them. All that they need is loaded here, at the start and only
 * then: a router whose keys come from headers or host names has no use for it, and 3 MB less to hold.
 */
import type { SigningKeysOptions } from './signing-keys.ts'
import type { TokenVerifier } from './token-verifier.ts'

export type TokenVerification = { verifier: TokenVerifier; stop(): Promise<void> }

export type TokenVerificationOptions = Omit<SigningKeysOptions, 'source'> & {
  source: SigningKeysOptions['source'] | null
  cachedMax: number
}

export async function startTokenVerification({
  source,
  cachedMax,
  ...rest
}: TokenVerificationOptions): Promise<TokenVerification> {
  if (!source) return { verifier: WITHOUT_KEYS, stop: async () => {} }
  const [{ startSigningKeys }, { createTokenVerifier }] = await Promise.all([
    import('./signing-keys.ts'),
    import('./token-verifier.ts'),
  ])
  const keys = await startSigningKeys({ source, ...rest })
  return { verifier: createTokenVerifier(keys, cachedMax), stop: () => keys.stop() }
}

/** What a topology asks for that this router was not configured for is refused, and says so. */
const WITHOUT_KEYS: TokenVerifier = {
  cachedCount: 0,
  remembered: () => undefined,
  async verify() {
    return {
      ok: false,
      code: 'KEYS_UNAVAILABLE',
      detail: 'the router’s configuration names no keys that sign tokens',
    }
  },
}
