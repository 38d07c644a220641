/**
 * The development issuer: makes tokens for a fleet of stage dev, so that it can be tried without an identity provider.
 * Its key is made by `cellplane up` and stays in the state directory; routers and cells get the public half only.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { keyIdOf } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { SignJWT } from 'jose'
import { Failure } from '../failure.ts'
import { type StateLayout, stateLayout } from '../fleet/state-layout.ts'

/** Claims that the issuer sets itself. */
const RESERVED_CLAIMS = new Set(['iss', 'aud', 'iat', 'exp'])

/** The fleet's own policy, or the development issuer's where the fleet file leaves it out. Undefined when no rule reads a token. */
export function tokenPolicyOf(fleet: FleetFile): FleetFile['tokens'] {
  if (tenantClaimOf(fleet) === undefined) return undefined
  return (
    fleet.tokens ?? {
      issuer: `urn:cellplane:development:${fleet.fleet}`,
      audience: fleet.fleet,
      algorithms: ['EdDSA'],
    }
  )
}

/** True when tokens come from an identity provider, whose keys we do not have. */
export function hasOwnIssuer(fleet: FleetFile): boolean {
  return fleet.tokens?.jwks_url !== undefined || fleet.tokens?.jwks_file !== undefined
}

export function tenantClaimOf(fleet: FleetFile): string | undefined {
  return fleet.partition_key.rules.find((rule) => rule.from === 'jwt')?.claim
}

export type TokenRequest = {
  tenant: string
  expiresInMs: number
  claims: Readonly<Record<string, unknown>>
  /** Milliseconds since the epoch. */
  now: number
}

export type Issuer = { issue(request: TokenRequest): Promise<string> }

/** Fails when the fleet has no tokens, or tokens of somebody else. */
export async function openIssuer(fleet: FleetFile, stateDir: string): Promise<Issuer> {
  const claim = tenantClaimOf(fleet)
  const policy = tokenPolicyOf(fleet)
  if (claim === undefined || policy === undefined) {
    const rules = fleet.partition_key.rules.map(describeRule).join(', then ')
    throw new Failure(
      'NO_TOKENS',
      `fleet ${fleet.fleet} uses no tokens: its partition key comes from ${rules}; send that instead`,
    )
  }
  if (hasOwnIssuer(fleet)) {
    throw new Failure(
      'OTHER_ISSUER',
      `the tokens of fleet ${fleet.fleet} are issued by ${policy.issuer}; get one there (without "jwks_url" and "jwks_file", a fleet of stage dev has an issuer of its own)`,
    )
  }
  if (!policy.algorithms.includes('EdDSA')) {
    throw new Failure(
      'ALGORITHM_REFUSED',
      `the development issuer signs with EdDSA, and tokens.algorithms of fleet ${fleet.fleet} is ${policy.algorithms.join(', ')}; add EdDSA`,
    )
  }
  const key = await readIssuerKey(stateLayout(stateDir))
  const header = { alg: 'EdDSA', kid: keyIdOf(key), typ: 'JWT' }
  return {
    issue({ tenant, expiresInMs, claims, now }) {
      const wrong = Object.keys(claims).find((name) => RESERVED_CLAIMS.has(name) || name === claim)
      if (wrong !== undefined) {
        throw new Failure(
          'CLAIM_RESERVED',
          `the claim "${wrong}" is set by the issuer; leave out --claim ${wrong}=…`,
        )
      }
      const issuedAt = Math.floor(now / 1000)
      return new SignJWT({ ...claims, [claim]: tenant })
        .setProtectedHeader(header)
        .setIssuer(policy.issuer)
        .setAudience(policy.audience)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + Math.floor(expiresInMs / 1000))
        .sign(key)
    },
  }
}

/** The public half, as routers and cells read it. */
export function issuerJwks(privateKey: KeyObject): object {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { keys: [{ ...jwk, kid: keyIdOf(privateKey), alg: 'EdDSA', use: 'sig' }] }
}

async function readIssuerKey({ issuerKey }: StateLayout): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(issuerKey, 'utf8'))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'it is made by the first `cellplane up`' : String((cause as Error).message)
    throw new Failure('ISSUER_KEY_UNREADABLE', `the issuer's key ${issuerKey} cannot be used: ${why}`, {
      cause,
    })
  }
}

function describeRule(rule: FleetFile['partition_key']['rules'][number]): string {
  switch (rule.from) {
    case 'header':
      return `the header ${rule.name}`
    case 'subdomain':
      return `the subdomain of ${rule.domain}`
    case 'path':
      return `the path after ${rule.prefix}`
    case 'query':
      return `the query parameter ${rule.name}`
    case 'cookie':
      return `the cookie ${rule.name}`
    case 'sni':
      return `the TLS server name below ${rule.domain}`
    default:
      return rule.from
  }
}
