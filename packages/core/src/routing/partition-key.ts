/**
 * Where the partition key of a request is. Rules are tried in order; the first that is present decides, and what it
 * finds is the key or an error: a broken key never falls through to the next rule, or a client could choose its cells
 * by breaking its own.
 *
 * A token's key is known only once its signature was verified, which needs keys and time; the finding hands the token
 * back, and the caller verifies.
 */
import { type KeyRule, partitionKeyProblem } from '@cellplane/contract'

export type RequestView = {
  /** By lower-case name; undefined when absent. Text as the sender meant it (decoded from UTF-8). */
  header(name: string): string | undefined
  /** The Host, with or without a port. */
  host: string
  /** The request target; a query is not looked at. */
  path: string
}

/** `rule` is the index of the rule that decided. */
export type KeyFinding =
  | { kind: 'key'; key: string; rule: number }
  | { kind: 'token'; token: string; claim: string; rule: number }
  | { kind: 'none' }
  | { kind: 'invalid'; why: string }

export function findPartitionKey(rules: readonly KeyRule[], request: RequestView): KeyFinding {
  for (let rule = 0; rule < rules.length; rule++) {
    const how = rules[rule]!
    const found = how.from === 'jwt' ? findToken(how.claim, rule, request) : findPlain(how, rule, request)
    if (found) return found
  }
  return { kind: 'none' }
}

/**
 * A key for a request that has none, so that it is served all the same, and the same source always by the same cell.
 * IPv4 addresses that arrive in IPv6 form are one with their plain form.
 */
export function sourceKey(address: string): string {
  return `source:${address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')}`
}

function findToken(claim: string, rule: number, request: RequestView): KeyFinding | undefined {
  // RFC 6750; the scheme's name in any case (RFC 9110, section 11.1). Another scheme is no token.
  const match = /^bearer(?: +(.*))?$/i.exec(request.header('authorization')?.trim() ?? '')
  return match ? { kind: 'token', token: match[1] ?? '', claim, rule } : undefined
}

function findPlain(
  how: Exclude<KeyRule, { from: 'jwt' }>,
  rule: number,
  request: RequestView,
): KeyFinding | undefined {
  let key: string | undefined
  switch (how.from) {
    case 'header':
      key = request.header(how.name)
      break
    case 'subdomain':
      key = subdomainOf(request.host, how.domain)
      break
    case 'path':
      key = segmentAfter(request.path, how.prefix)
      break
  }
  if (key === undefined) return undefined
  const why = partitionKeyProblem(key)
  return why === undefined ? { kind: 'key', key, rule } : { kind: 'invalid', why }
}

/** One label below the domain; deeper names are somebody else's. */
function subdomainOf(host: string, domain: string): string | undefined {
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
  const suffix = `.${domain.toLowerCase()}`
  if (!name.endsWith(suffix)) return undefined
  const label = name.slice(0, -suffix.length)
  return label.includes('.') ? undefined : label
}

/** The path segment after the prefix, percent-decoded; one that cannot be decoded is no key at all: empty. */
function segmentAfter(path: string, prefix: string): string | undefined {
  if (!path.startsWith(prefix)) return undefined
  const [segment = ''] = path.slice(prefix.length).split(/[/?#]/, 1)
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}
