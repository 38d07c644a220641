/**
 * Who calls: a bearer token → its name and role. What is not allowed by the operations' table is denied.
 *
 * Only digests are kept and compared, all of them, each in constant time: neither the time nor a memory dump tells a token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ApiRole } from '@cellplane/contract/api'
import type { ApiToken } from '../config.ts'

export type Caller = { name: string; role: ApiRole; mayForce: boolean }

/** An `Authorization` header → the caller, or which problem it is. */
export type Authenticate = (header: string | undefined) => Caller | 'TOKEN_MISSING' | 'TOKEN_INVALID'

/** RFC 6750 §2.1; longer than any token of ours, shorter than an attack. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,512})$/i

export function createAuthenticator(tokens: readonly ApiToken[]): Authenticate {
  const known = tokens.map(({ name, role, mayForce, token }) => ({
    caller: { name, role, mayForce },
    digest: sha256(token),
  }))
  return (header) => {
    if (header === undefined) return 'TOKEN_MISSING'
    const token = BEARER.exec(header)?.[1]
    if (token === undefined) return 'TOKEN_INVALID'
    const digest = sha256(token)
    let found: Caller | undefined
    for (const one of known) if (timingSafeEqual(one.digest, digest)) found = one.caller
    return found ?? 'TOKEN_INVALID'
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()
