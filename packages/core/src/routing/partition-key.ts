/**
 * Where the partition key of a request is. Rules are tried in order; the first that is present decides, and what it
 * finds is the key or an error: a broken key never falls through to the next rule, or a client could choose its cells
 * by breaking its own.
 *
 * A token's key is known only once its signature was verified, which needs keys and time; the finding hands the token
 * back, and the caller verifies it and then asks `keyByRule`.
 */
import { type KeyRule, type Normalise, partitionKeyProblem } from '@cellplane/contract'
import {
  cookieOf,
  type InvalidKey,
  type KeyText,
  labelBelow,
  lowerCase,
  parameterOf,
  segmentAfter,
} from './key-texts.ts'

export type RequestView = {
  /** By lower-case name; undefined when absent. Text as the sender meant it (decoded from UTF-8). */
  header(name: string): string | undefined
  /** The Host, with or without a port. */
  readonly host: string
  /** The request target: the path with its query. */
  readonly path: string
  /** What the client asked for in its TLS handshake. Absent without TLS, or when it asked for no name. */
  readonly serverName?: string | undefined
}

/** `rule` is the index of the rule that decided. */
export type KeyFinding =
  | { kind: 'key'; key: string; rule: number }
  | { kind: 'token'; token: string; claim: string; rule: number }
  | { kind: 'none' }
  | InvalidKey
  /** The request came over a connection that was opened for another tenant's name: 421, and the client opens another. */
  | { kind: 'misdirected'; why: string }

const NONE: KeyFinding = { kind: 'none' }
const OTHER_NAME: KeyFinding = {
  kind: 'misdirected',
  why: 'the connection was opened for another name than the request’s host; send it over one of its own',
}

export function findPartitionKey(rules: readonly KeyRule[], request: RequestView): KeyFinding {
  for (let rule = 0; rule < rules.length; rule++) {
    const how = rules[rule]!
    const found = how.from === 'jwt' ? findToken(how.claim, rule, request) : findPlain(how, rule, request)
    if (found) return found
  }
  return NONE
}

/** A claim of a verified token, which is a possible key, as its rule has it. */
export function keyByRule(rule: KeyRule, claim: string): string {
  return readsLowerCase(rule) ? lowerCase(claim) : claim
}

/** As much of a rule as says how it reads letters; the fleet file's rules have it too. */
type Reading = { readonly from: string; readonly normalise?: Normalise | undefined }

/**
 * A key that was named apart from any request (by an operator, by a back end), as requests have it. Where every rule
 * reads lower case, no request can have another; where one does not, the key is somebody's as it stands.
 */
export function namedKey(rules: readonly Reading[], key: string): string {
  return rules.every(readsLowerCase) ? lowerCase(key) : key
}

/** Whether the keys of a rule never have A–Z. */
export function readsLowerCase(rule: Reading): boolean {
  return rule.from === 'subdomain' || rule.from === 'sni' || rule.normalise === 'lower-case'
}

/**
 * A key for a request that has none, so that it is served all the same, and the same source always by the same cell.
 * IPv4 addresses that arrive in IPv6 form are one with their plain form.
 */
export function sourceKey(address: string): string {
  return `source:${address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')}`
}

function findToken(claim: string, rule: number, request: RequestView): KeyFinding | undefined {
  const credentials = request.header('authorization')
  const token = credentials === undefined ? undefined : bearerOf(credentials.trim())
  return token === undefined ? undefined : { kind: 'token', token, claim, rule }
}

const SCHEME = 'bearer'

/** RFC 6750; the scheme's name in any case (RFC 9110, section 11.1). Another scheme is no token. */
function bearerOf(credentials: string): string | undefined {
  for (let i = 0; i < SCHEME.length; i++) {
    if ((credentials.charCodeAt(i) | 0x20) !== SCHEME.charCodeAt(i)) return undefined
  }
  if (credentials.length === SCHEME.length) return ''
  let start = SCHEME.length
  while (credentials[start] === ' ') start++
  return start === SCHEME.length ? undefined : credentials.slice(start)
}

function findPlain(
  how: Exclude<KeyRule, { from: 'jwt' }>,
  rule: number,
  request: RequestView,
): KeyFinding | undefined {
  switch (how.from) {
    case 'header':
      return finding(request.header(how.name), how.normalise, rule)
    case 'subdomain':
      return finding(labelBelow(request.host, how.domain), 'none', rule)
    case 'sni':
      return findServerLabel(request, how.domain, rule)
    case 'path':
      return finding(segmentAfter(request.path, how.prefix), how.normalise, rule)
    case 'query':
      return finding(parameterOf(request.path, how.name), how.normalise, rule)
    case 'cookie': {
      const header = request.header('cookie')
      return header === undefined ? undefined : finding(cookieOf(header, how.name), how.normalise, rule)
    }
  }
}

function finding(found: KeyText, normalise: Normalise | undefined, rule: number): KeyFinding | undefined {
  if (typeof found !== 'string') return found
  const why = partitionKeyProblem(found)
  if (why !== undefined) return { kind: 'invalid', why }
  return { kind: 'key', key: normalise === 'lower-case' ? lowerCase(found) : found, rule }
}

/**
 * Browsers send requests for several names over one connection when its certificate covers them (RFC 9113, section
 * 9.1.1). The connection's name is then not the request's, and a service that goes by Host would serve another tenant.
 */
function findServerLabel(request: RequestView, domain: string, rule: number): KeyFinding | undefined {
  const { serverName, host } = request
  const label = serverName === undefined ? undefined : labelBelow(serverName, domain)
  if (label === undefined) return undefined
  const asked = labelBelow(host, domain)
  return asked === undefined || asked === label ? finding(label, 'none', rule) : OTHER_NAME
}
