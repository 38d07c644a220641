/**
 * Bench: a request's rules → its partition key, for each kind of rule, as a router asks for it.
 *
 *     node packages/core/src/routing/partition-key.bench.ts [--json]
 *
 * Back of the envelope: a header's rule is one call, one look at each of 13 characters and one object: 60 ns, and a
 * bearer token about the same. The kinds that read a text (path, query, cookie) look at each of its characters several
 * times, 5–7 ns for each. CPU time is counted, and the rounds of the kinds alternate; the first ones are the compiler's.
 */
import type { KeyRule } from '@cellplane/contract'
import { flag, readFlags } from '@cellplane/testing/flags'
import { findPartitionKey, type RequestView } from './partition-key.ts'

const { json: isJson } = readFlags({
  command: 'npm run bench:partition-key --',
  about: 'Measures how long each kind of rule takes to find a request’s partition key.',
  flags: { json: flag('print JSON') },
})

const FINDINGS = 200_000
const ROUNDS = 15

const TOKEN = `${'h'.repeat(60)}.${'p'.repeat(240)}.${'s'.repeat(86)}`

const COOKIES = 'theme=dark; _ga=GA1.2.1234567890.1234567890; tenant=tenant-123456; consent=1'

const KINDS: Record<string, { rules: KeyRule[]; request: RequestView }> = {
  header: kind([{ from: 'header', name: 'x-tenant' }], { headers: { 'x-tenant': 'tenant-123456' } }),
  jwt: kind([{ from: 'jwt', claim: 'customer_id' }], { headers: { authorization: `Bearer ${TOKEN}` } }),
  'jwt, then header': kind(
    [
      { from: 'jwt', claim: 'customer_id' },
      { from: 'header', name: 'x-tenant' },
    ],
    { headers: { 'x-tenant': 'tenant-123456' } },
  ),
  subdomain: kind([{ from: 'subdomain', domain: 'example.com' }], { host: 'tenant-123456.example.com' }),
  path: kind([{ from: 'path', prefix: '/t/' }], { path: '/t/tenant-123456/orders?page=2' }),
  query: kind([{ from: 'query', name: 'tenant' }], { path: '/v1/orders?page=2&tenant=tenant-123456' }),
  cookie: kind([{ from: 'cookie', name: 'tenant' }], { headers: { cookie: COOKIES } }),
  'header, lower-case': kind([{ from: 'header', name: 'x-tenant', normalise: 'lower-case' }], {
    headers: { 'x-tenant': 'Tenant-123456' },
  }),
}

let checksum = 0
const rounds = new Map(Object.keys(KINDS).map((name) => [name, [] as number[]]))
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { rules, request }] of Object.entries(KINDS)) {
    const before = process.cpuUsage()
    for (let i = 0; i < FINDINGS; i++) checksum += findPartitionKey(rules, request).kind.length
    const { user, system } = process.cpuUsage(before)
    rounds.get(name)!.push(Math.round(((user + system) * 1000) / FINDINGS))
  }
}
const results = [...rounds].map(([name, ns]) => ({
  rules: name,
  median_ns: ns.toSorted((a, b) => a - b)[ROUNDS >> 1]!,
  rounds_ns: ns,
}))
if (isJson) {
  console.log(JSON.stringify({ bench: 'partition-key', findings_per_round: FINDINGS, results, checksum }))
} else {
  for (const { rules, median_ns, rounds_ns } of results) {
    console.log(`${rules}: median ${median_ns} ns; rounds ${rounds_ns.join(' ')}`)
  }
}

type Parts = { headers?: Record<string, string>; host?: string; path?: string }

function kind(rules: KeyRule[], { headers = {}, host = 'api.example.net', path = '/v1/orders' }: Parts) {
  const byName = new Map(Object.entries(headers))
  return { rules, request: { header: (name: string) => byName.get(name), host, path } }
}
