/**
 * The router's configuration: one JSON file, read once at start. Secrets are not in it; it names the files (0600) that
 * hold them.
 *
 * Every limit has a name, a default and a reason here, so that what the process can be made to hold, wait for or repeat
 * is read off one page.
 */
import { isAbsolute } from 'node:path'
import {
  fleetNameSchema,
  type Parsed,
  parseWith,
  problem,
  refused,
  TOPOLOGY_BYTES_MAX,
} from '@cellplane/contract'
import { z } from 'zod'
import { MIN_VERSIONS, MODERN_CIPHERS } from './tls/modern.ts'

const path = z.string().max(4096).refine(isAbsolute, 'expected an absolute path')
const httpUrl = z.url({ protocol: /^https?$/ })
const address = z.strictObject({
  host: z.string().min(1).max(253).describe('An IP address or name; 127.0.0.1 for this machine only.'),
  port: z.int().min(0).max(65_535).describe('0: the operating system chooses.'),
})

const certificateFile = path.describe('PEM: the certificate, then those of its issuers up to the root.')
const keyFile = path.describe('PEM: the private key of the first certificate, without a passphrase.')

const serverName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/)
  .describe('`api.example.com`, or `*.example.com` for one label below it.')

/** Files are read again when they change, and on SIGHUP; what cannot be used then is logged, and the old ones stay. */
const listenTlsSchema = z.strictObject({
  port: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('TLS beside plain text, on this port. Without it `listen.port` speaks TLS and nothing else.'),
  cert_file: certificateFile,
  key_file: keyFile,
  certificates: z
    .array(
      z.strictObject({
        server_names: z.array(serverName).min(1).max(1_000),
        cert_file: certificateFile,
        key_file: keyFile,
      }),
    )
    .max(1_000)
    .default([])
    .refine((list) => {
      const names = list.flatMap(({ server_names }) => server_names)
      return new Set(names).size === names.length
    }, 'a server name is given twice; expected one certificate for each')
    .describe('Served to clients that ask for one of these names; `cert_file` above is for all others.'),
  min_version: z.enum(MIN_VERSIONS).default('TLSv1.2'),
  ciphers: z
    .string()
    .min(1)
    .max(4096)
    .default(MODERN_CIPHERS)
    .describe('OpenSSL’s names, best first. By default those with forward secrecy and authentication only.'),
  handshake_timeout_ms: z.int().min(1).max(600_000).default(10_000),
  handshakes_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(500)
    .describe('Handshakes under way at once: about what a core does in a second. More is closed at once.'),
  http2: z.boolean().default(true).describe('Whether HTTP/2 is offered beside HTTP/1.1.'),
  http2_streams_max: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Requests under way at once on one HTTP/2 connection (RFC 9113 asks for 100 at least).'),
  http2_resets_per_second_max: z
    .int()
    .min(1)
    .max(100_000)
    .default(100)
    .describe('A client that gives up more requests a second than this is told to go: it floods.'),
})

const cellsTlsSchema = z
  .strictObject({
    ca_file: path
      .optional()
      .describe('PEM: who may issue the cells’ certificates. Without it, whom Node trusts.'),
    cert_file: certificateFile.optional().describe('PEM: shown to cells that ask who calls.'),
    key_file: keyFile.optional(),
    server_name: serverName
      .optional()
      .describe('The name in every cell’s certificate. Without it, the host of the cell’s own URL.'),
  })
  .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
    path: ['key_file'],
    error: 'cert_file and key_file belong together; give both or neither',
  })

const limitsSchema = z.strictObject({
  body_retry_bytes_max: z
    .int()
    .min(0)
    .max(16 * 1024 * 1024)
    .default(65_536)
    .describe('A body up to this size is kept, so that its request can be sent a second time.'),
  connect_timeout_ms: z
    .int()
    .min(1)
    .max(60_000)
    .default(1_000)
    .describe('In one region a connection takes milliseconds; after a second the cell is not there.'),
  response_timeout_ms: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(30_000)
    .describe('From the last part of the request that was sent until the head of the answer.'),
  idle_timeout_ms: z
    .int()
    .min(1)
    .max(86_400_000)
    .default(120_000)
    .describe('The longest silence inside an answer’s body or an upgraded connection.'),
  header_bytes_max: z.int().min(1024).max(1_048_576).default(16_384),
  head_timeout_ms: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(30_000)
    .describe('From the first byte of a request until the end of its head.'),
  client_idle_timeout_ms: z
    .int()
    .min(1)
    .max(86_400_000)
    .default(65_000)
    .describe(
      'How long a connection waits for its next request; longer than the load balancers before it do.',
    ),
  connections_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(20_000)
    .describe('Clients connected to this process; what comes beyond them is closed at once.'),
  stream_leave_ms: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(5_000)
    .describe('A WebSocket that was told to go is cut after this.'),
  in_flight_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Requests under way in this process; what comes beyond them is answered 503 at once.'),
  sockets_per_cell_max: z
    .int()
    .min(1)
    .max(65_535)
    .default(256)
    .describe('Requests under way at one cell: a cell that hangs holds these, not the whole process.'),
  adaptive: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'Whether a cell whose latency grows by queueing is given less than its ceiling; `bench:overload` shows both.',
    ),
  tokens_cached_max: z.int().min(0).max(1_000_000).default(10_000),
  tenants_tracked_max: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Tenants whose shard and limits are remembered; the longest unseen is forgotten first.'),
  document_bytes_max: z.int().min(1024).max(TOPOLOGY_BYTES_MAX).default(TOPOLOGY_BYTES_MAX),
  stop_timeout_ms: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(10_000)
    .describe('How long a stop waits for requests under way.'),
})

const clientHeadersSchema = z.strictObject({
  forwarded: z
    .enum(['replace', 'append'])
    .default('replace')
    .describe(
      '`replace`: x-forwarded-* and forwarded of a client are dropped. `append`: they are kept and added to, because only a trusted proxy can reach this port.',
    ),
  trace: z
    .enum(['continue', 'replace'])
    .default('continue')
    .describe('Whether a client’s traceparent is continued or replaced.'),
})

const accessLogSchema = z.strictObject({
  every_nth: z
    .int()
    .min(0)
    .default(1_000)
    .describe('One request in so many is logged; 0: only failures, a few a second, which always are.'),
})

export const routerConfigSchema = z.strictObject({
  router: z.string().min(1).max(128).describe('This process’s name in reports.'),
  fleet: fleetNameSchema,
  listen: address.extend({
    tls: listenTlsSchema.optional().describe('TLS to clients; plain text without it.'),
  }),
  admin: address.describe('Metrics, health and explanations. Keep it on loopback: it names tenants.'),
  state_dir: path.describe('Where the last good documents are kept. Each process has its own.'),
  topology: z.strictObject({
    url: httpUrl.describe('The control plane.'),
    token_file: path,
    trusted_keys_file: path.describe('JWK set of the keys that sign the topology.'),
  }),
  router_key_file: path.describe('The key from which the cells’ router secrets are derived.'),
  jwks: z
    .union([z.strictObject({ file: path }), z.strictObject({ url: httpUrl })])
    .nullable()
    .describe('Keys of the tenants’ tokens; null when no partition key comes from a token.'),
  poll_seconds: z
    .number()
    .min(0.05)
    .max(3600)
    .default(5)
    .describe(
      'How often to ask for documents. New ones are pushed as well; this is for when a push is lost. Files of TLS are looked at as often.',
    ),
  cells_tls: cellsTlsSchema
    .optional()
    .describe('TLS to the cells whose URL is https: whom to trust, and who this router is.'),
  limits: limitsSchema.prefault({}),
  client_headers: clientHeadersSchema.prefault({}),
  access_log: accessLogSchema.prefault({}),
  parent_bound: z
    .boolean()
    .default(false)
    .describe('Stop when the parent process goes away: its IPC channel, or else stdin, closes.'),
})

export type RouterConfig = z.infer<typeof routerConfigSchema>
/** As it is written: what has a default may be left out. */
export type RouterConfigText = z.input<typeof routerConfigSchema>
export type RouterLimits = RouterConfig['limits']
export type ListenTls = NonNullable<RouterConfig['listen']['tls']>
export type CellsTls = NonNullable<RouterConfig['cells_tls']>

/** Text of a configuration file → configuration, or every problem with its path. Never throws. */
export function parseRouterConfig(text: string): Parsed<RouterConfig> {
  try {
    return parseWith(routerConfigSchema, JSON.parse(text))
  } catch (error) {
    return refused(
      problem('CONFIG_NOT_JSON', '', `the configuration is not JSON: ${(error as Error).message}`),
    )
  }
}
