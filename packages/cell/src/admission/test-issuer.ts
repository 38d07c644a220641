/** A token issuer for tests: its keys in a JWKS file, tokens as the tests need them, good and bad. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { TokenConfig } from '../config.ts'

export type TestIssuer = Awaited<ReturnType<typeof createTestIssuer>>

type TokenOptions = {
  claims?: Record<string, unknown>
  issuer?: string
  audience?: string
  expires?: string | number | null
  keyId?: string
}

export async function createTestIssuer() {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-cell-'))
  const file = join(directory, 'jwks.json')
  const keys = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>()

  async function makeKey(keyId: string): Promise<void> {
    keys.set(keyId, await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true }))
  }

  /** Writes the public parts of these keys. */
  async function publish(...keyIds: string[]): Promise<void> {
    await writeFile(file, await jwks(...keyIds))
  }

  async function jwks(...keyIds: string[]): Promise<string> {
    const entries = keyIds.map(async (kid) => ({
      ...(await exportJWK(keys.get(kid)!.publicKey)),
      kid,
      alg: 'EdDSA',
    }))
    return JSON.stringify({ keys: await Promise.all(entries) })
  }

  function token(tenant: string, options: TokenOptions = {}): Promise<string> {
    const { claims = { customer_id: tenant }, keyId = 'key-1', expires = '1h' } = options
    const jwt = new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid: keyId })
      .setIssuer(options.issuer ?? 'https://issuer.test')
      .setAudience(options.audience ?? 'notifications')
    if (expires !== null) jwt.setExpirationTime(expires)
    return jwt.sign(keys.get(keyId)!.privateKey)
  }

  await makeKey('key-1')
  await publish('key-1')
  const config: TokenConfig = {
    jwks: file,
    issuer: 'https://issuer.test',
    audience: 'notifications',
    algorithms: ['EdDSA', 'RS256'],
    tenantClaim: 'customer_id',
  }
  return {
    config,
    directory,
    makeKey,
    publish,
    jwks,
    token,
    bearer: async (tenant: string, options?: TokenOptions) => `Bearer ${await token(tenant, options)}`,
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
