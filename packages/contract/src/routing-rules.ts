/** The parts of a fleet's configuration that a router also reads: how to find the partition key, who issues tokens, what may fail over. */
import { z } from 'zod'

const headerName = z
  .string()
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'a header name is lower case, 1–64 token characters')

/** Where the partition key is found. Rules are tried in order; the first that is present decides. */
export const keyRuleSchema = z.discriminatedUnion('from', [
  z.strictObject({
    from: z.literal('jwt').describe('A claim of the bearer token, whose signature the router verifies.'),
    claim: z.string().min(1).max(128).describe('The claim that holds the tenant id.'),
  }),
  z.strictObject({
    from: z.literal('header'),
    name: headerName.describe('Lower-case header name. Trust it only behind something that sets it.'),
  }),
  z.strictObject({
    from: z.literal('subdomain'),
    domain: z.string().min(1).max(253).describe('`example.com`: in acme.example.com the key is acme.'),
  }),
  z.strictObject({
    from: z.literal('path'),
    prefix: z
      .string()
      .startsWith('/')
      .endsWith('/')
      .max(256)
      .describe('`/t/`: in /t/acme/orders the key is acme.'),
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

export const methodSchema = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

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
export const choiceSchema = z.enum(['home-first', 'least-loaded'])
export type Choice = z.infer<typeof choiceSchema>

export const fleetKindSchema = z.enum(['stateless', 'stateful'])
export type FleetKind = z.infer<typeof fleetKindSchema>
