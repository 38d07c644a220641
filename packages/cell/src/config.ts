/**
 * What the agent tells a component about its cell, read once from the environment and handed down as one value.
 *
 * A component started by hand, without an agent, gets a cell of its own called `local`, so that `node main.ts` works on a
 * desk. Anything that is present and wrong stops the process with every problem named: a cell that runs with half of its
 * configuration would accept requests that it cannot check.
 */
import { CELL_ENV, type FleetKind, isReceiverUrl, SLOT_NONE } from '@cellplane/contract/cell'

export type CellConfig = {
  fleet: string
  kind: FleetKind
  cell: string
  slot: number
  zone: string
  region: string
  component: string
  release: string
  listen: { host: string; port: number }
  databaseUrl: string | undefined
  /** File with the router secrets that this cell accepts; without one no router is believed. */
  routerSecretFile: string | undefined
  /** Undefined when the fleet uses no tokens: then only routers are believed. */
  tokens: TokenConfig | undefined
  /** Where spans go, the whole URL; undefined when nobody wants them. */
  tracesUrl: string | undefined
  retentionHours: number
  capacity: {
    requestsPerSecond: number | undefined
    inFlight: number | undefined
    queueDepth: number | undefined
  }
}

export type TokenConfig = {
  /** Path or http(s) URL of the JWK set. */
  jwks: string
  issuer: string
  audience: string
  algorithms: string[]
  /** The claim that holds the tenant. */
  tenantClaim: string
}

/** The fleet file's default: a week. */
const RETENTION_HOURS_DEFAULT = 168

/** Reads `CELL_ENV` from `env`. Throws one error that lists every problem. */
export function cellConfigFromEnv(env: Readonly<Record<string, string | undefined>>): CellConfig {
  const problems: string[] = []
  const text = (name: string): string | undefined => env[name] || undefined
  const number = (name: string, isValid: (value: number) => boolean, expected: string) => {
    const found = text(name)
    if (found === undefined) return undefined
    const value = Number(found)
    if (/^\d+(\.\d+)?$/.test(found) && isValid(value)) return value
    problems.push(`$${name} is ${JSON.stringify(found)}; expected ${expected}`)
    return undefined
  }
  const positive = (name: string) => number(name, (value) => value > 0, 'a positive decimal number')

  const kind = text(CELL_ENV.fleetKind) ?? 'stateless'
  if (kind !== 'stateless' && kind !== 'stateful') {
    problems.push(`$${CELL_ENV.fleetKind} is ${JSON.stringify(kind)}; expected stateless or stateful`)
  }
  const config: CellConfig = {
    fleet: text(CELL_ENV.fleet) ?? 'local',
    kind: kind === 'stateful' ? 'stateful' : 'stateless',
    cell: text(CELL_ENV.cell) ?? 'local',
    slot:
      number(CELL_ENV.slot, (n) => Number.isInteger(n) && n < SLOT_NONE, `a slot, 0–${SLOT_NONE - 1}`) ?? 0,
    zone: text(CELL_ENV.zone) ?? 'local',
    region: text(CELL_ENV.region) ?? 'local',
    component: text(CELL_ENV.component) ?? 'service',
    release: text(CELL_ENV.release) ?? 'dev',
    listen: {
      host: text(CELL_ENV.host) ?? '127.0.0.1',
      port: number(CELL_ENV.port, (n) => Number.isInteger(n) && n <= 65_535, 'a port, 0–65535') ?? 0,
    },
    databaseUrl: text(CELL_ENV.databaseUrl),
    routerSecretFile: text(CELL_ENV.routerSecretFile),
    tokens: tokensFrom(text, problems),
    tracesUrl: tracesUrlFrom(text(CELL_ENV.tracesUrl), problems),
    retentionHours:
      number(CELL_ENV.retentionHours, () => true, 'hours, 0 or more') ?? RETENTION_HOURS_DEFAULT,
    capacity: {
      requestsPerSecond: positive(CELL_ENV.requestsPerSecond),
      inFlight: positive(CELL_ENV.inFlight),
      queueDepth: positive(CELL_ENV.queueDepth),
    },
  }
  if (problems.length > 0) {
    throw new Error(
      `the cell’s environment is not valid: ${problems.join('; ')}; the agent sets these, so look at the fleet file first`,
    )
  }
  return config
}

/** The value is not repeated in the problem: a URL can hold a password, which is one of the things that are wrong with it. */
function tracesUrlFrom(found: string | undefined, problems: string[]): string | undefined {
  if (found === undefined) return undefined
  if (isReceiverUrl(found)) return found
  problems.push(
    `$${CELL_ENV.tracesUrl} is no http or https URL without user and password; expected one such as http://127.0.0.1:4318/v1/traces`,
  )
  return undefined
}

/** All or nothing: a cell that knows an issuer but no audience would believe tokens made for another service. */
function tokensFrom(text: (name: string) => string | undefined, problems: string[]): TokenConfig | undefined {
  const jwks = text(CELL_ENV.jwks)
  const issuer = text(CELL_ENV.issuer)
  const audience = text(CELL_ENV.audience)
  const tenantClaim = text(CELL_ENV.tenantClaim)
  const algorithms = text(CELL_ENV.algorithms)
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (!jwks && !issuer && !audience && !tenantClaim && !algorithms) return undefined
  if (jwks && issuer && audience && tenantClaim && algorithms && algorithms.length > 0) {
    const weak = algorithms.filter((name) => !ALGORITHMS.includes(name))
    if (weak.length > 0) {
      problems.push(`$${CELL_ENV.algorithms} has ${weak.join(', ')}; expected ${ALGORITHMS.join(', ')} only`)
    }
    return { jwks, issuer, audience, tenantClaim, algorithms }
  }
  const missing = [
    [CELL_ENV.jwks, jwks],
    [CELL_ENV.issuer, issuer],
    [CELL_ENV.audience, audience],
    [CELL_ENV.tenantClaim, tenantClaim],
    [CELL_ENV.algorithms, algorithms?.length],
  ].filter(([, value]) => !value)
  problems.push(
    `${missing.map(([name]) => `$${name}`).join(', ')} missing; expected all of the token settings or none`,
  )
  return undefined
}

/** Public-key algorithms only: with a shared-key one, whoever can verify a token can make one. */
const ALGORITHMS = ['EdDSA', 'RS256', 'ES256']
