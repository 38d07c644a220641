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
  tracesSchema,
} from '@cellplane/contract'
import {
  about,
  between,
  httpUrl,
  int,
  list,
  receiverBaseUrl,
  strictObject,
  text,
  union,
} from '@cellplane/contract/schema'
import { credentialsFileSchema, storeLocationSchema } from '@cellplane/object-store/config'
import * as v from 'valibot'
import { MIN_VERSIONS, MODERN_CIPHERS } from './tls/modern.ts'

const path = v.pipe(text(0, 4096), v.check(isAbsolute, 'expected an absolute path'))
const address = strictObject({
  host: about(text(1, 253), 'An IP address or name; 127.0.0.1 for this machine only.'),
  port: about(int(0, 65_535), '0: the operating system chooses.'),
})

const certificateFile = about(path, 'PEM: the certificate, then those of its issuers up to the root.')
const keyFile = about(path, 'PEM: the private key of the first certificate, without a passphrase.')

const serverName = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.maxLength(253),
  v.regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/,
    'expected a DNS name',
  ),
  v.description('`api.example.com`, or `*.example.com` for one label below it.'),
)

/** Files are read again when they change, and on SIGHUP; what cannot be used then is logged, and the old ones stay. */
const listenTlsSchema = strictObject({
  port: v.optional(
    about(
      int(0, 65_535),
      'TLS beside plain text, on this port. Without it `listen.port` speaks TLS and nothing else.',
    ),
  ),
  cert_file: certificateFile,
  key_file: keyFile,
  certificates: v.optional(
    v.pipe(
      list(
        strictObject({
          server_names: list(serverName, 1, 1_000),
          cert_file: certificateFile,
          key_file: keyFile,
        }),
        0,
        1_000,
      ),
      v.check((certificates) => {
        const names = certificates.flatMap(({ server_names }) => server_names)
        return new Set(names).size === names.length
      }, 'a server name is given twice; expected one certificate for each'),
      v.description(
        'Served to clients that ask for one of these names; `cert_file` above is for all others.',
      ),
    ),
    [],
  ),
  min_version: v.optional(v.picklist(MIN_VERSIONS), 'TLSv1.2'),
  ciphers: v.optional(
    about(
      text(1, 4096),
      'OpenSSL’s names, best first. By default those with forward secrecy and authentication only.',
    ),
    MODERN_CIPHERS,
  ),
  handshake_timeout_ms: v.optional(int(1, 600_000), 10_000),
  handshakes_max: v.optional(
    about(
      int(1, 1_000_000),
      'Handshakes under way at once: about what a core does in a second. More is closed at once.',
    ),
    500,
  ),
  http2: v.optional(about(v.boolean(), 'Whether HTTP/2 is offered beside HTTP/1.1.'), true),
  http2_streams_max: v.optional(
    about(
      int(1, 10_000),
      'Requests under way at once on one HTTP/2 connection (RFC 9113 asks for 100 at least).',
    ),
    100,
  ),
  http2_resets_per_second_max: v.optional(
    about(
      int(1, 100_000),
      'A client that gives up more requests a second than this is told to go: it floods.',
    ),
    100,
  ),
})

const cellsTlsSchema = v.pipe(
  strictObject({
    ca_file: v.optional(
      about(path, 'PEM: who may issue the cells’ certificates. Without it, whom Node trusts.'),
    ),
    cert_file: v.optional(about(certificateFile, 'PEM: shown to cells that ask who calls.')),
    key_file: v.optional(keyFile),
    server_name: v.optional(
      about(serverName, 'The name in every cell’s certificate. Without it, the host of the cell’s own URL.'),
    ),
  }),
  v.forward(
    v.check(
      ({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined),
      'cert_file and key_file belong together; give both or neither',
    ),
    ['key_file'],
  ),
)

const limitsSchema = strictObject({
  body_retry_bytes_max: v.optional(
    about(
      int(0, 16 * 1024 * 1024),
      'A body up to this size is kept, so that its request can be sent a second time.',
    ),
    65_536,
  ),
  connect_timeout_ms: v.optional(
    about(
      int(1, 60_000),
      'In one region a connection takes milliseconds; after a second the cell is not there.',
    ),
    1_000,
  ),
  response_timeout_ms: v.optional(
    about(int(1, 3_600_000), 'From the last part of the request that was sent until the head of the answer.'),
    30_000,
  ),
  idle_timeout_ms: v.optional(
    about(int(1, 86_400_000), 'The longest silence inside an answer’s body or an upgraded connection.'),
    120_000,
  ),
  header_bytes_max: v.optional(int(1024, 1_048_576), 16_384),
  head_timeout_ms: v.optional(
    about(int(1, 3_600_000), 'From the first byte of a request until the end of its head.'),
    30_000,
  ),
  client_idle_timeout_ms: v.optional(
    about(
      int(1, 86_400_000),
      'How long a connection waits for its next request; longer than the load balancers before it do.',
    ),
    65_000,
  ),
  connections_max: v.optional(
    about(int(1, 1_000_000), 'Clients connected to this process; what comes beyond them is closed at once.'),
    20_000,
  ),
  stream_leave_ms: v.optional(
    about(int(0, 3_600_000), 'A WebSocket that was told to go is cut after this.'),
    5_000,
  ),
  in_flight_max: v.optional(
    about(
      int(1, 1_000_000),
      'Requests under way in this process; what comes beyond them is answered 503 at once.',
    ),
    10_000,
  ),
  sockets_per_cell_max: v.optional(
    about(
      int(1, 65_535),
      'Requests under way at one cell: a cell that hangs holds these, not the whole process.',
    ),
    256,
  ),
  adaptive: v.optional(
    about(
      v.picklist(['on', 'off']),
      'Whether a cell whose latency grows by queueing is given less than its ceiling; `bench:overload` shows both.',
    ),
    'on',
  ),
  tokens_cached_max: v.optional(int(0, 1_000_000), 10_000),
  tenants_tracked_max: v.optional(
    about(
      int(1, 1_000_000),
      'Tenants whose shard and limits are remembered; the longest unseen is forgotten first.',
    ),
    10_000,
  ),
  document_bytes_max: v.optional(int(1024, TOPOLOGY_BYTES_MAX), TOPOLOGY_BYTES_MAX),
  hold_timeout_ms: v.optional(
    about(
      int(1, 60_000),
      'How long a request waits at most while its tenant’s home is switched; clients give up soon after.',
    ),
    5_000,
  ),
  held_requests_max: v.optional(
    about(
      int(0, 100_000),
      'Requests that wait in this process, for such a switch or for a base that is under way.',
    ),
    2_000,
  ),
  held_requests_per_tenant_max: v.optional(
    about(int(0, 100_000), 'Of these, one tenant’s: a busy one leaves room for the others.'),
    500,
  ),
  held_bytes_max: v.optional(
    about(int(0, 1_073_741_824), 'Heads and begun bodies of all that wait.'),
    16 * 1024 * 1024,
  ),
  stop_timeout_ms: v.optional(
    about(int(0, 3_600_000), 'How long a stop waits for requests under way.'),
    10_000,
  ),
})

const clientHeadersSchema = strictObject({
  forwarded: v.optional(
    about(
      v.picklist(['replace', 'append']),
      '`replace`: x-forwarded-* and forwarded of a client are dropped. `append`: they are kept and added to, because only a trusted proxy can reach this port.',
    ),
    'replace',
  ),
  trace: v.optional(
    about(v.picklist(['continue', 'replace']), 'Whether a client’s traceparent is continued or replaced.'),
    'continue',
  ),
})

const accessLogSchema = strictObject({
  every_nth: v.optional(
    about(int(0), 'One request in so many is logged; 0: only failures, a few a second, which always are.'),
    1_000,
  ),
})

const objectStoreSchema = strictObject({
  ...storeLocationSchema.entries,
  credentials_file: v.optional(
    about(
      credentialsFileSchema,
      'JSON, 0600, read anew for each request. Without it requests are not signed.',
    ),
  ),
  poll_seconds: v.optional(
    about(between(0.05, 3600), 'How often the pointer is asked for, when the store is asked at all.'),
    10,
  ),
  after_seconds: v.optional(
    about(
      between(0, 86_400),
      'Beside a control plane: how long that has given no base before the store is asked. A router without any base asks at once.',
    ),
    30,
  ),
})

const topologySchema = v.pipe(
  strictObject({
    url: v.optional(
      about(receiverBaseUrl, 'The control plane. Without it the topology comes from the object store alone.'),
    ),
    token_file: v.optional(path),
    trusted_keys_file: about(path, 'JWK set of the keys that sign the topology.'),
    s3: v.optional(
      about(
        objectStoreSchema,
        'The object store in which the control plane publishes: beside it, or instead of it.',
      ),
    ),
  }),
  v.forward(
    v.check(
      ({ url, token_file }) => (url === undefined) === (token_file === undefined),
      'url and token_file belong together; give both or neither',
    ),
    ['token_file'],
  ),
  v.forward(
    v.check(({ url, s3 }) => url !== undefined || s3 !== undefined, 'expected url, or s3, or both'),
    ['url'],
  ),
)

export const routerConfigSchema = strictObject({
  router: about(text(1, 128), 'This process’s name in reports.'),
  fleet: fleetNameSchema,
  listen: strictObject({
    ...address.entries,
    tls: v.optional(about(listenTlsSchema, 'TLS to clients; plain text without it.')),
  }),
  admin: about(address, 'Metrics, health and explanations. Keep it on loopback: it names tenants.'),
  state_dir: about(path, 'Where the last good documents are kept. Each process has its own.'),
  topology: topologySchema,
  router_key_file: about(path, 'The key from which the cells’ router secrets are derived.'),
  jwks: about(
    v.nullable(union([strictObject({ file: path }), strictObject({ url: httpUrl })])),
    'Keys of the tenants’ tokens; null when no partition key comes from a token.',
  ),
  poll_seconds: v.optional(
    about(
      between(0.05, 3600),
      'How often to ask for documents. New ones are pushed as well; this is for when a push is lost. Files of TLS are looked at as often.',
    ),
    5,
  ),
  cells_tls: v.optional(
    about(cellsTlsSchema, 'TLS to the cells whose URL is https: whom to trust, and who this router is.'),
  ),
  limits: v.optional(limitsSchema, {}),
  client_headers: v.optional(clientHeadersSchema, {}),
  access_log: v.optional(accessLogSchema, {}),
  traces: v.optional(about(tracesSchema, 'Spans of requests; without it there are none.')),
  parent_bound: v.optional(
    about(v.boolean(), 'Stop when the parent process goes away: its IPC channel, or else stdin, closes.'),
    false,
  ),
})

export type RouterConfig = v.InferOutput<typeof routerConfigSchema>
/** As it is written: what has a default may be left out. */
export type RouterConfigText = v.InferInput<typeof routerConfigSchema>
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
