/** The parts of a fleet's configuration that a router also reads: how to find the partition key, who issues tokens, what may fail over. */
import { z } from 'zod'

/** Servers behind the router may read `_` as `-`, and `cellplane-*` as a router's word: neither can be a client's. */
const headerName = z
  .string()
  .regex(
    /^(?!cellplane-)[a-z0-9!#$%&'*+.^`|~-]{1,64}$/,
    'a header name is lower case, 1–64 token characters without "_", and does not begin with "cellplane-"',
  )

/**
 * `lower-case`: A–Z of the key become a–z, and nothing else changes, which is how DNS compares names and what every proxy
 * can do. Names in DNS (`subdomain`, `sni`) are always read so.
 */
export const normaliseSchema = z.enum(['none', 'lower-case'])
export type Normalise = z.infer<typeof normaliseSchema>

const normalise = normaliseSchema
  .optional()
  .describe('`lower-case`: A–Z become a–z, so that Acme and acme are one tenant. `none` when left out.')

const dnsDomain = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[^.](?:.*[^.])?$/, 'a domain neither starts nor ends with a dot')

/** Where the partition key is found. Rules are tried in order; the first that is present decides. */
export const keyRuleSchema = z.discriminatedUnion('from', [
  z.strictObject({
    from: z.literal('jwt').describe('A claim of the bearer token, whose signature the router verifies.'),
    claim: z.string().min(1).max(128).describe('The claim that holds the tenant id.'),
    normalise,
  }),
  z.strictObject({
    from: z.literal('header'),
    name: headerName.describe('Lower-case header name. Trust it only behind something that sets it.'),
    normalise,
  }),
  z.strictObject({
    from: z.literal('subdomain'),
    domain: dnsDomain.describe('`example.com`: in acme.example.com the key is acme.'),
  }),
  z.strictObject({
    from: z.literal('sni').describe('The name that the client asked for in its TLS handshake.'),
    domain: dnsDomain.describe('`example.com`: for acme.example.com the key is acme.'),
  }),
  z.strictObject({
    from: z.literal('path'),
    prefix: z
      .string()
      .startsWith('/')
      .endsWith('/')
      .max(256)
      .describe('`/t/`: in /t/acme/orders the key is acme.'),
    normalise,
  }),
  z.strictObject({
    from: z.literal('query'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{1,64}$/, 'a parameter’s name is 1–64 of A–Z a–z 0–9 . _ ~ -')
      .describe('`tenant`: in /orders?tenant=acme the key is acme. Percent-decoded once; + stays +.'),
    normalise,
  }),
  z.strictObject({
    from: z.literal('cookie'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'a cookie’s name is 1–64 token characters')
      .describe('Taken as it is, without decoding. A client can set any: have the service verify it.'),
    normalise,
  }),
])
export type KeyRule = z.infer<typeof keyRuleSchema>

export const tokenAlgorithmSchema = z.enum(['EdDSA', 'RS256', 'ES256'])

/** What a token must say to be believed. The keys come from a JWKS that each router and cell is given separately. */
export const tokenPolicySchema = z.strictObject({
  issuer: z.string().min(1).max(512),
  audience: z.string().min(1).max(512),
  algorithms: z.array(tokenAlgorithmSchema).min(1).default(['EdDSA', 'RS256']),
})
export type TokenPolicy = z.infer<typeof tokenPolicySchema>

/**
 * What an alternate cell may do with a request of this route:
 * `any` (everything), `idempotent` (safe methods, PUT, DELETE, and whatever carries an Idempotency-Key),
 * `read` (GET, HEAD, OPTIONS), `home-only` (nothing).
 */
export const failoverPolicySchema = z.enum(['any', 'idempotent', 'read', 'home-only'])
export type FailoverPolicy = z.infer<typeof failoverPolicySchema>

/**
 * How a request gets to the cell that was chosen: through the router (`proxy`), or by a 307 with the cell's public URL
 * (`redirect`), after which the client talks to the cell itself.
 */
export const deliverySchema = z.enum(['proxy', 'redirect'])
export type Delivery = z.infer<typeof deliverySchema>

export const methodSchema = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What a cell under pressure sheds first: `low`, then `normal`, then `high`. */
export const prioritySchema = z.enum(['high', 'normal', 'low'])
export type Priority = z.infer<typeof prioritySchema>

/** A route: the first whose method and path match decides. `{name}` matches one segment, a last `*` the rest. */
export const routeSchema = z.strictObject({
  methods: z.array(methodSchema).min(1).optional().describe('All methods when left out.'),
  path: z
    .string()
    .max(256)
    .regex(
      /^\/(?:[A-Za-z0-9._~-]+|\{[a-z_]+\}|\/(?!\/))*\*?$/,
      'a path is literal segments, {parameters} and at most a last "*"',
    ),
  failover: failoverPolicySchema,
  delivery: deliverySchema
    .optional()
    .describe(
      '`redirect`: the router answers 307 with the public URL of the tenant’s cell. The fleet’s when left out.',
    ),
  priority: prioritySchema
    .optional()
    .describe(
      'A cell at its ceiling sheds `low` first, then `normal`. `normal` when left out. A request that says `priority: u=7` (RFC 9218: background) counts as `low`.',
    ),
  cell_in: z
    .string()
    .regex(/^[a-z_]+$/)
    .optional()
    .describe(
      'The path parameter that is an id which names its cell (kind_slot_random): such a request goes to that cell.',
    ),
})
export type Route = z.infer<typeof routeSchema>

/** How a cell of the shard is chosen. */
export const choiceSchema = z.enum(['home-first', 'least-loaded', 'weighted'])
export type Choice = z.infer<typeof choiceSchema>

export const fleetKindSchema = z.enum(['stateless', 'stateful'])
export type FleetKind = z.infer<typeof fleetKindSchema>
