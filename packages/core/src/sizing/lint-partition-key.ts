/**
 * Lints on the partition key. A good one never changes, is in the request before any business logic, and has many
 * values. A bad one shows only in production, as tenants that lose their data or as one cell that has all the load.
 */
import type { Normalise } from '@cellplane/contract'
import { namedKey, readsLowerCase } from '../routing/partition-key.ts'
import { type Lint, lint } from './lint.ts'

/** The part of the fleet file, also one that the parser refused, so that `plan` can explain the refusal. */
export type PartitionKeyDeclaration = {
  rules: readonly {
    from: string
    name?: string | undefined
    claim?: string | undefined
    normalise?: Normalise | undefined
  }[]
  distinct_values?: number | undefined
  changes?: boolean | undefined
}

/** Fewer values than this leave cells idle and one overloaded, whatever the hash. */
const DISTINCT_VALUES_MIN = 100
/** Names of things that a person or company changes during its life, or that are new with each request. */
const CHANGING =
  /e-?mail|phone|mobile|user-?name|nick|display|ip$|address|session|plan|tier|request|trace|correlation|nonce|jti|token|time|date/i
/** Names of things with a handful of values. */
const FEW_VALUED = /region|country|locale|lang|zone|tier|plan|type|kind|role|env|version/i
/** Where a key cannot be read from the request alone. */
const NEEDS_LOOKUP = new Set(['database', 'session', 'body', 'api-key'])
/** A sample this small says nothing about how many values there are. */
const SAMPLE_MIN = 20
/** The largest share of requests that one value may have in a sample. */
const TOP_SHARE_MAX = 0.2

/** @param sampleKeys keys of real requests, repeated as often as they occur */
export function lintPartitionKey(key: PartitionKeyDeclaration, sampleKeys?: readonly string[]): Lint[] {
  const lints: Lint[] = []
  if (key.changes === true) {
    lints.push(
      lint.error(
        'KEY_CHANGES',
        'partition_key.changes',
        'the key changes during a tenant’s life, and with it its cells; use an id that is given once, such as the customer id',
      ),
    )
  }
  for (const [i, rule] of key.rules.entries()) {
    const path = `partition_key.rules[${i}]`
    const name = rule.claim ?? rule.name ?? ''
    if (NEEDS_LOOKUP.has(rule.from)) {
      lints.push(
        lint.error(
          'KEY_NEEDS_LOOKUP',
          path,
          `a key from "${rule.from}" needs a look-up before the request can be routed; carry it in a header, a token claim, the host’s name, the path, the query or a cookie`,
        ),
      )
    }
    if (CHANGING.test(name)) {
      lints.push(
        lint.warning(
          'KEY_CHANGES',
          path,
          `"${name}" sounds like something that changes; expected an id that is given once`,
        ),
      )
    }
    if (FEW_VALUED.test(name)) {
      lints.push(
        lint.warning(
          'KEY_HAS_FEW_VALUES',
          path,
          `"${name}" sounds like something with few values; expected one for each tenant`,
        ),
      )
    }
  }
  const isLower = key.rules.filter((rule) => !NEEDS_LOOKUP.has(rule.from)).map(readsLowerCase)
  if (isLower.includes(true) && isLower.includes(false)) {
    lints.push(
      lint.warning(
        'KEY_READ_TWO_WAYS',
        'partition_key.rules',
        'some rules read the key in lower case and others as it is, so Acme by one and acme by another are two tenants; give all of them normalise: lower-case, unless keys never have capitals',
      ),
    )
  }
  if (key.distinct_values !== undefined && key.distinct_values < DISTINCT_VALUES_MIN) {
    lints.push(
      lint.error(
        'KEY_HAS_FEW_VALUES',
        'partition_key.distinct_values',
        `found ${key.distinct_values} values; expected at least ${DISTINCT_VALUES_MIN}, or cells stay idle beside one that is full; use a finer key`,
      ),
    )
  }
  if (sampleKeys === undefined) return lints
  return [...lints, ...lintSample(sampleKeys.map((sample) => namedKey(key.rules, sample)))]
}

function lintSample(keys: readonly string[]): Lint[] {
  if (keys.length < SAMPLE_MIN) {
    return [
      lint.warning(
        'KEY_SAMPLE_TOO_SMALL',
        'keys',
        `the sample has ${keys.length} keys, which says nothing about how many there are; expected at least ${SAMPLE_MIN}, one for each request`,
      ),
    ]
  }
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  const top = Math.max(...counts.values())
  const lints: Lint[] = []
  if (counts.size < Math.min(DISTINCT_VALUES_MIN, keys.length / 10)) {
    lints.push(
      lint.error(
        'KEY_HAS_FEW_VALUES',
        'keys',
        `${keys.length} requests have ${counts.size} different keys; expected one for each tenant`,
      ),
    )
  } else if (top > TOP_SHARE_MAX * keys.length) {
    lints.push(
      lint.warning(
        'KEY_HAS_FEW_VALUES',
        'keys',
        `one key has ${Math.round((top / keys.length) * 100)} % of ${keys.length} requests; its cells carry all of it, so give that tenant cells of its own`,
      ),
    )
  }
  const folded = new Set([...counts.keys()].map((key) => key.toLowerCase())).size
  if (folded < counts.size) {
    lints.push(
      lint.warning(
        'KEY_READ_TWO_WAYS',
        'keys',
        `${counts.size - folded} of ${counts.size} keys differ from another one only in capitals, and are other tenants with other cells; if they are not, give the rules normalise: lower-case`,
      ),
    )
  }
  const emails = [...counts.keys()].filter((key) => /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(key)).length
  if (emails > counts.size / 2) {
    lints.push(
      lint.warning(
        'KEY_CHANGES',
        'keys',
        'the keys look like e-mail addresses, which people change; expected an id that is given once',
      ),
    )
  }
  return lints
}
