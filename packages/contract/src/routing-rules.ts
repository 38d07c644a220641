/** The parts of a fleet's configuration that a router also reads: how to find the partition key, who issues tokens, what may fail over. */
import * as v from 'valibot'
import { about, int, list, strictObject, text } from './schema/index.ts'

/** Servers behind the router may read `_` as `-`, and `cellplane-*` as a router's word: neither can be a client's. */
const headerName = v.pipe(
  v.string(),
  v.regex(
    /^(?!cellplane-)[a-z0-9!#$%&'*+.^`|~-]{1,64}$/,
    'a header name is lower case, 1–64 token characters without "_", and does not begin with "cellplane-"',
  ),
)

/**
 * `lower-case`: A–Z of the key become a–z, and nothing else changes, which is how DNS compares names and what every proxy
 * can do. Names in DNS (`subdomain`, `sni`) are always read so.
 */
export const normaliseSchema = v.picklist(['none', 'lower-case'])
export type Normalise = v.InferOutput<typeof normaliseSchema>

const normalise = v.optional(
  about(
    normaliseSchema,
    '`lower-case`: A–Z become a–z, so that Acme and acme are one tenant. `none` when left out.',
  ),
)

const dnsDomain = v.pipe(
  text(1, 253),
  v.regex(/^[^.](?:.*[^.])?$/, 'a domain neither starts nor ends with a dot'),
)

/** Where the partition key is found. Rules are tried in order; the first that is present decides. */
export const keyRuleSchema = v.variant('from', [
  strictObject({
    from: about(v.literal('jwt'), 'A claim of the bearer token, whose signature the router verifies.'),
    claim: about(text(1, 128), 'The claim that holds the tenant id.'),
    normalise,
  }),
  strictObject({
    from: v.literal('header'),
    name: about(headerName, 'Lower-case header name. Trust it only behind something that sets it.'),
    normalise,
  }),
  strictObject({
    from: v.literal('subdomain'),
    domain: about(dnsDomain, '`example.com`: in acme.example.com the key is acme.'),
  }),
  strictObject({
    from: about(v.literal('sni'), 'The name that the client asked for in its TLS handshake.'),
    domain: about(dnsDomain, '`example.com`: for acme.example.com the key is acme.'),
  }),
  strictObject({
    from: v.literal('path'),
    prefix: v.pipe(
      text(0, 256),
      v.regex(/^\/(?:[\s\S]*\/)?$/, 'a prefix starts and ends with "/"'),
      v.description('`/t/`: in /t/acme/orders the key is acme.'),
    ),
    normalise,
  }),
  strictObject({
    from: v.literal('query'),
    name: v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9._~-]{1,64}$/, 'a parameter’s name is 1–64 of A–Z a–z 0–9 . _ ~ -'),
      v.description('`tenant`: in /orders?tenant=acme the key is acme. Percent-decoded once; + stays +.'),
    ),
    normalise,
  }),
  strictObject({
    from: v.literal('cookie'),
    name: v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'a cookie’s name is 1–64 token characters'),
      v.description('Taken as it is, without decoding. A client can set any: have the service verify it.'),
    ),
    normalise,
  }),
])
export type KeyRule = v.InferOutput<typeof keyRuleSchema>

export const tokenAlgorithmSchema = v.picklist(['EdDSA', 'RS256', 'ES256'])

/** What a token must say to be believed. The keys come from a JWKS that each router and cell is given separately. */
export const tokenPolicySchema = strictObject({
  issuer: text(1, 512),
  audience: text(1, 512),
  algorithms: v.optional(list(tokenAlgorithmSchema, 1), ['EdDSA', 'RS256']),
})
export type TokenPolicy = v.InferOutput<typeof tokenPolicySchema>

/**
 * What an alternate cell may do with a request of this route:
 * `any` (everything), `idempotent` (safe methods, PUT, DELETE, and whatever carries an Idempotency-Key),
 * `read` (GET, HEAD, OPTIONS), `home-only` (nothing).
 */
export const failoverPolicySchema = v.picklist(['any', 'idempotent', 'read', 'home-only'])
export type FailoverPolicy = v.InferOutput<typeof failoverPolicySchema>

/**
 * How a request gets to the cell that was chosen: through the router (`proxy`), or by a 307 with the cell's public URL
 * (`redirect`), after which the client talks to the cell itself.
 */
export const deliverySchema = v.picklist(['proxy', 'redirect'])
export type Delivery = v.InferOutput<typeof deliverySchema>

export const methodSchema = v.picklist(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What a cell under pressure sheds first: `low`, then `normal`, then `high`. */
export const prioritySchema = v.picklist(['high', 'normal', 'low'])
export type Priority = v.InferOutput<typeof prioritySchema>

/** A route: the first whose method and path match decides. `{name}` matches one segment, a last `*` the rest. */
export const routeSchema = strictObject({
  methods: v.optional(about(list(methodSchema, 1), 'All methods when left out.')),
  path: v.pipe(
    text(0, 256),
    v.regex(
      /^\/(?:[A-Za-z0-9._~-]+|\{[a-z_]+\}|\/(?!\/))*\*?$/,
      'a path is literal segments, {parameters} and at most a last "*"',
    ),
  ),
  failover: failoverPolicySchema,
  delivery: v.optional(
    about(
      deliverySchema,
      '`redirect`: the router answers 307 with the public URL of the tenant’s cell. The fleet’s when left out.',
    ),
  ),
  priority: v.optional(
    about(
      prioritySchema,
      'A cell at its ceiling sheds `low` first, then `normal`. `normal` when left out. A request that says `priority: u=7` (RFC 9218: background) counts as `low`.',
    ),
  ),
  hedge_after_ms: v.optional(
    about(
      int(1, 60_000),
      'A GET or HEAD of which no byte of an answer has come after so many milliseconds is sent to another cell of the shard as well, where `failover` lets that one serve it; the first answer is taken. For reads that may run twice. Never when left out.',
    ),
  ),
  cell_in: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[a-z_]+$/, 'a parameter’s name is a–z and "_"'),
      v.description(
        'The path parameter that is an id which names its cell (kind_slot_random): such a request goes to that cell.',
      ),
    ),
  ),
})
export type Route = v.InferOutput<typeof routeSchema>

/** How a cell of the shard is chosen. */
export const choiceSchema = v.picklist(['home-first', 'least-loaded', 'weighted'])
export type Choice = v.InferOutput<typeof choiceSchema>

export const fleetKindSchema = v.picklist(['stateless', 'stateful'])
export type FleetKind = v.InferOutput<typeof fleetKindSchema>

/** How many buckets keys are hashed to: a power of two, so that a bit mask finds the bucket. */
export const bucketsSchema = v.pipe(
  int(16, 1 << 20),
  v.check((n) => (n & (n - 1)) === 0, 'a power of two is expected'),
)
