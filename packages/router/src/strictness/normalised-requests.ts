/**
 * Requests that the router passes on changed, by the id of their row in docs/http.md: what comes in, and what the cell
 * must and must not be sent for it.
 */
import type { RouterOptions } from '../testing/fake-fleet.ts'
import { head } from './ground.ts'

export type NormalisedCase = {
  readonly request: string
  /** What of the request, as the cell gets it, these must match; lines end with CR LF. */
  readonly has?: readonly (string | RegExp)[]
  readonly lacks?: readonly RegExp[]
  readonly clientHeaders?: RouterOptions['client_headers']
}

/** What a trusted proxy before the router is believed. */
const APPEND: RouterOptions['client_headers'] = { forwarded: 'append', trace: 'continue' }
const NEW_TRACE: RouterOptions['client_headers'] = { forwarded: 'replace', trace: 'replace' }

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const lineOf = (name: string) => new RegExp(`^${name}:`, 'im')
const url = (target: string, ...lines: string[]) => head(`GET ${target}`, ...lines)
const chunked = (body: string, encoding = 'transfer-encoding: chunked') =>
  `${head('POST /', encoding)}${body}`

export const NORMALISED_REQUESTS: Readonly<Record<string, NormalisedCase>> = {
  'absolute-form': {
    request: url('http://a.test/x/y?z=1'),
    has: ['GET /x/y?z=1 HTTP/1.1\r\n', 'host: a.test\r\n'],
    lacks: [/http:\/\//],
  },
  'absolute-form-host': {
    request: url('https://b.test:8443/'),
    has: ['GET / HTTP/1.1\r\n', 'host: b.test:8443\r\n', 'x-forwarded-host: b.test:8443\r\n'],
    lacks: [/a\.test/],
  },
  'absolute-form-key': {
    request: 'GET http://beta.svc.test/ HTTP/1.1\r\nhost: acme.svc.test\r\n\r\n',
    has: ['host: beta.svc.test\r\n', 'cellplane-tenant: beta\r\n'],
    lacks: [/acme/],
  },
  'absolute-form-no-path': { request: url('http://a.test?q=1'), has: ['GET /?q=1 HTTP/1.1\r\n'] },
  'blank-line-before': { request: `\r\n${head('GET /')}`, has: [/^GET \/ HTTP\/1\.1\r\n/] },
  'hop-by-hop': {
    request: head(
      'GET /',
      'Connection: keep-alive',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic x',
      'Proxy-Authenticate: Basic',
      'TE: trailers',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
    ),
    lacks: ['connection', 'keep-alive', 'proxy-[a-z]+', 'te', 'upgrade', 'http2-settings'].map(lineOf),
  },
  'connection-named': {
    request: head(
      'GET /',
      'X-Secret: s',
      'connection: close, x-secret , X-Other',
      'x-other: o',
      'x-third: t',
    ),
    has: ['x-third: t\r\n'],
    lacks: ['connection', 'x-secret', 'x-other'].map(lineOf),
  },
  'connection-named-kept': {
    request: `${head(
      'POST /',
      'connection: content-length, host, authorization, x-tenant, cookie, idempotency-key',
      'content-length: 5',
      'authorization: Basic x',
      'cookie: a=b',
      'idempotency-key: i',
    )}hello`,
    has: [
      ...['host: a.test\r\n', 'x-tenant: acme\r\n', 'content-length: 5\r\n', 'authorization: Basic x\r\n'],
      ...['cookie: a=b\r\n', 'idempotency-key: i\r\n', /\r\n\r\nhello$/],
    ],
  },
  'forged-cellplane': {
    request: head('GET /', 'cellplane-tenant: other', 'Cellplane-Secret: guessed', 'cellplane-anything: x'),
    has: ['cellplane-tenant: acme\r\n', 'x-tenant: acme\r\n', lineOf('cellplane-secret')],
    lacks: [/other/, /guessed/, /anything/i],
  },
  'forged-underscore': {
    request: head(
      'POST /',
      ...['cellplane_tenant: other', 'Cellplane-Secret_: x', 'x_tenant: other', 'X_Request_Id: forged'],
      ...['content_length: 5', 'transfer_encoding: chunked', 'x_forwarded_for: 192.0.2.1', 'host_: b.test'],
      'a_b: kept',
    ),
    has: ['cellplane-tenant: acme\r\n', 'content-length: 0\r\n', 'a_b: kept\r\n', 'host_: b.test\r\n'],
    lacks: [/other/, /forged/, /192\.0\.2\.1/, lineOf('content_length'), lineOf('transfer_encoding')],
  },
  'forwarded-replace': {
    request: head(
      'GET /',
      ...['x-forwarded-for: 192.0.2.1', 'x-forwarded-proto: https', 'x-forwarded-host: b.test'],
      ...['x-forwarded-port: 443', 'forwarded: for=192.0.2.1', 'x-forwarded-for: 192.0.2.2'],
    ),
    has: ['x-forwarded-for: 127.0.0.1\r\n', 'x-forwarded-proto: http\r\n', 'x-forwarded-host: a.test\r\n'],
    lacks: [/192\.0\.2\./, lineOf('x-forwarded-port'), lineOf('forwarded')],
  },
  'forwarded-append': {
    request: head(
      'GET /',
      ...['x-forwarded-for: 192.0.2.1', 'x-forwarded-proto: https', 'x-forwarded-host: b.test'],
      'forwarded: for=192.0.2.1',
    ),
    clientHeaders: APPEND,
    has: [
      ...['x-forwarded-for: 192.0.2.1, 127.0.0.1\r\n', 'x-forwarded-proto: https\r\n'],
      ...['x-forwarded-host: b.test\r\n', 'forwarded: for=192.0.2.1\r\n'],
    ],
  },
  'forwarded-append-part': {
    request: head('GET /', 'x-forwarded-proto: https', 'forwarded: for=192.0.2.1'),
    clientHeaders: APPEND,
    has: [
      ...['x-forwarded-for: 127.0.0.1\r\n', 'x-forwarded-proto: https\r\n', 'x-forwarded-host: a.test\r\n'],
      'forwarded: for=192.0.2.1\r\n',
    ],
  },
  'trace-continue': {
    request: head('GET /', `traceparent: ${TRACE}`, 'tracestate: a=b'),
    has: [`traceparent: ${TRACE}\r\n`, 'tracestate: a=b\r\n'],
  },
  'trace-replace': {
    request: head('GET /', `traceparent: ${TRACE}`, 'tracestate: a=b'),
    clientHeaders: NEW_TRACE,
    has: [/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m],
    lacks: [/0af7651916cd43dd/, lineOf('tracestate')],
  },
  'trace-invalid': {
    request: head('GET /', `traceparent: 00-${'0'.repeat(32)}-b7ad6b7169203331-01`, 'tracestate: a=b'),
    has: [/^traceparent: 00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m],
    lacks: [/b7ad6b7169203331/, lineOf('tracestate')],
  },
  'request-id': {
    request: head('GET /', 'x-request-id: <script>'),
    has: [/^x-request-id: [0-9a-f]{32}\r$/m],
    lacks: [/script/],
  },
  'encoding-spelling': {
    request: chunked('5\r\nworks\r\n0\r\n\r\n', 'Transfer-Encoding: \t Chunked'),
    has: ['\r\ntransfer-encoding: chunked\r\n', /\r\n\r\n5\r\nworks\r\n0\r\n\r\n$/],
    lacks: [/Chunked/, /Transfer-/],
  },
  'chunks-anew': {
    request: chunked('0005\r\nworks\r\n00A\r\nghijklmnop\r\n000\r\n\r\n'),
    has: [/\r\n\r\n5\r\nworks\r\na\r\nghijklmnop\r\n0\r\n\r\n$/],
  },
  'trailer-forbidden': {
    request: chunked(
      '0\r\nkeep-alive: a\r\nhost: b\r\nauthorization: x\r\ncookie: a\r\n' +
        'cellplane-tenant: other\r\nx_forwarded_for: 1\r\nx-checksum: 1\r\n\r\n',
    ),
    has: [/\r\n\r\n0\r\nx-checksum: 1\r\n\r\n$/],
    lacks: [/other/],
  },
  'length-added': {
    request: head('POST /'),
    has: ['content-length: 0\r\n'],
    lacks: [lineOf('transfer-encoding')],
  },
  'version-1-0-to-cell': {
    request: 'GET /x HTTP/1.0\r\nx-tenant: acme\r\nconnection: keep-alive\r\n\r\n',
    has: ['GET /x HTTP/1.1\r\n', /^host: 127\.0\.0\.1:\d+\r$/m],
    lacks: [lineOf('connection')],
  },
}
