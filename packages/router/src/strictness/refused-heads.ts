/**
 * Heads that the router refuses, by the id of their row in docs/http.md. Several requests in one row are spellings of
 * the same case.
 */
import { HEADER_LINES_MAX } from '../http/head-scan.ts'
import { TARGET_BYTES_MAX } from '../http/request-scan.ts'
import { head } from './ground.ts'

export type RefusedCase = {
  readonly requests: readonly string[]
  /** The first is also cut in two at every offset. */
  readonly isSplit?: boolean
  /** The request is well framed: its connection may be used again. */
  readonly isKept?: boolean
}

const refuse = (...requests: string[]): RefusedCase => ({ requests })
const split = (...requests: string[]): RefusedCase => ({ requests, isSplit: true })
const line = (text: string) => `${text}\r\nhost: a.test\r\nx-tenant: acme\r\n\r\n`
const host = (text: string) => `GET / HTTP/1.1\r\nx-tenant: acme\r\n${text}\r\n\r\n`
const post = (...lines: string[]) => `${head('POST /', ...lines)}hello`

const REQUEST_LINES = {
  'line-bare-lf': split('GET / HTTP/1.1\nhost: a.test\r\nx-tenant: acme\r\n\r\n'),
  'line-bare-cr': refuse(
    line('GET /\r HTTP/1.1'),
    line('GET / HTTP/1.1\r'),
    'GET / HTTP/1.1\rhost: a.test\r\n\r\n',
  ),
  'line-nul': refuse(line('GET /\0 HTTP/1.1'), line('\0GET / HTTP/1.1')),
  'line-white-space': refuse(
    line('GET  / HTTP/1.1'),
    line('GET /  HTTP/1.1'),
    line('GET\t/ HTTP/1.1'),
    line('GET / HTTP/1.1 '),
    line(' GET / HTTP/1.1'),
  ),
  'line-blank-bare': refuse(`\n${head('GET /')}`, `\r${head('GET /')}`, `\r\n\n${head('GET /')}`),
  'method-invalid': refuse(line('G@T / HTTP/1.1'), line('G\u00c9T / HTTP/1.1')),
  'method-long': refuse(line(`${'M'.repeat(33)} / HTTP/1.1`)),
  'method-connect': refuse(
    'CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n',
    line('CONNECT / HTTP/1.1'),
  ),
  'method-trace': refuse(line('TRACE / HTTP/1.1')),
  'version-0-9': split('GET /\r\n', 'GET / \r\n'),
  'version-malformed': refuse(
    line('GET / http/1.1'),
    line('GET / HTTP/1.10'),
    line('GET / HTTP/11'),
    line('GET / HTTP/1,1'),
    line('GET / HTTP1.1'),
    line('GET / HTTPS/1.1'),
  ),
  'version-unknown': refuse(
    line('GET / HTTP/1.2'),
    line('GET / HTTP/2.0'),
    line('GET / HTTP/0.9'),
    line('GET / HTTP/3.1'),
  ),
  'version-2-preface': split('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'target-invalid-byte': refuse(
    line('GET /#f HTTP/1.1'),
    line('GET /\u00e9 HTTP/1.1'),
    line('GET /\x7f HTTP/1.1'),
  ),
  'target-no-path': refuse(
    line('GET a HTTP/1.1'),
    line('GET a.test:80 HTTP/1.1'),
    line('GET ftp://a.test/ HTTP/1.1'),
  ),
  'target-asterisk': refuse(line('GET * HTTP/1.1'), line('OPTIONS ** HTTP/1.1')),
  'target-url-invalid': refuse(
    line('GET http://u:p@a.test/ HTTP/1.1'),
    line('GET http:///x HTTP/1.1'),
    line('GET http://a.test,b.test/ HTTP/1.1'),
    line('GET http://a.test\\@b.test/ HTTP/1.1'),
  ),
  'target-long': refuse(line(`GET /${'a'.repeat(TARGET_BYTES_MAX)} HTTP/1.1`)),
}

const HOSTS = {
  'host-missing': split(
    'GET / HTTP/1.1\r\nx-tenant: acme\r\n\r\n',
    'GET http://a.test/ HTTP/1.1\r\nx-tenant: acme\r\n\r\n',
  ),
  'host-twice': refuse(host('host: a.test\r\nhost: a.test'), host('host: a.svc.test\r\nHost: b.svc.test')),
  'host-empty': refuse(host('host:'), host('host:  ')),
  'host-invalid': refuse(
    host('host: u@a.test'),
    host('host: a.test b.test'),
    host('host: a.test,b.test'),
    host('host: a.test/x'),
    host('host: http://a.test'),
    host('host: a\u00e9.test'),
    host('host: a.test?x'),
  ),
}

const HEADER_LINES = {
  'header-bare-lf': split(head('GET /', 'a: b\nc: d')),
  'header-bare-cr': refuse(head('GET /', 'a: b\rc: d'), head('GET /', 'a: b\r'), head('GET /', 'a\r: b')),
  'header-nul': refuse(head('GET /', 'a: b\0c'), head('GET /', 'a\0: b')),
  'header-control': refuse(
    head('GET /', 'a: b\x01c'),
    head('GET /', 'a: b\x0bc'),
    head('GET /', 'a: b\x7fc'),
  ),
  'header-fold': split(head('GET /', 'a: b', ' c'), head('GET /', 'a: b', '\tc: d')),
  'header-fold-first': refuse('GET / HTTP/1.1\r\n host: a.test\r\nx-tenant: acme\r\n\r\n'),
  'header-white-space-before-colon': refuse(
    head('GET /', 'a : b'),
    head('GET /', 'a\t: b'),
    post('content-length : 5'),
    post('transfer-encoding : chunked'),
  ),
  'header-no-colon': refuse(head('GET /', 'abc')),
  'header-name-invalid': refuse(
    head('GET /', ': b'),
    head('GET /', 'a(b): c'),
    head('GET /', 'a\u00e9: c'),
    head('GET /', 'a b: c'),
    head('GET /', '"a": c'),
  ),
  'head-end-bare': refuse(
    'GET / HTTP/1.1\r\nhost: a.test\r\n\n',
    'GET / HTTP/1.1\r\nhost: a.test\r\n\rx\r\n',
  ),
  'head-long': refuse(
    head('GET /', `a: ${'b'.repeat(16_384)}`),
    head('GET /', ...Array(20).fill(`a: ${'b'.repeat(1_000)}`)),
  ),
  'head-lines': refuse(head('GET /', ...Array<string>(HEADER_LINES_MAX - 1).fill('a: b'))),
}

const FRAMING = {
  'length-and-encoding': split(
    post('content-length: 5', 'transfer-encoding: chunked'),
    post('transfer-encoding: chunked', 'content-length: 5'),
  ),
  'length-twice': refuse(
    post('content-length: 5', 'content-length: 5'),
    post('content-length: 5', 'Content-Length: 6'),
  ),
  'length-list': refuse(
    post('content-length: 5,5'),
    post('content-length: 5, 5'),
    post('content-length: 5,'),
  ),
  'length-signed': refuse(post('content-length: +5'), post('content-length: -5')),
  'length-malformed': refuse(
    post('content-length:'),
    post('content-length: 0x5'),
    post('content-length: 5 5'),
    post('content-length: 5.0'),
    post('content-length: 5e0'),
    post('content-length: five'),
    post('content-length: "5"'),
  ),
  'length-white-space-after': refuse(post('content-length: 5 '), post('content-length: 5\t')),
  'length-large': refuse(post('content-length: 1000000000000000'), post(`content-length: ${'9'.repeat(40)}`)),
  'encoding-not-chunked': refuse(
    post('transfer-encoding: xchunked'),
    post('transfer-encoding: identity'),
    post('transfer-encoding: chunked;q=1'),
    post('transfer-encoding: "chunked"'),
    post('transfer-encoding: chunke'),
    post('transfer-encoding:'),
  ),
  'encoding-white-space-after': refuse(
    post('transfer-encoding: chunked '),
    post('transfer-encoding: chunked\t'),
  ),
  'encoding-list': refuse(
    post('transfer-encoding: chunked, chunked'),
    post('transfer-encoding: gzip, chunked'),
    post('transfer-encoding: chunked,'),
    post('transfer-encoding: , chunked'),
  ),
  'encoding-twice': refuse(
    post('transfer-encoding: chunked', 'transfer-encoding: chunked'),
    post('transfer-encoding: chunked', 'Transfer-Encoding: identity'),
  ),
  'encoding-on-1-0': split('POST / HTTP/1.0\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
}

const SINGLE = [
  ...['connection: close', 'expect: 100-continue', 'idempotency-key: a', 'traceparent: a', 'tracestate: a=b'],
  ...['upgrade: websocket', 'x-cell: cell-0'],
]

const KEYS = {
  'key-twice': split(
    head('GET /', 'x-tenant: acme'),
    head('GET /', 'X-Tenant: other'),
    'GET / HTTP/1.1\r\nx-tenant: a\r\nhost: a.test\r\nx-tenant: b\r\n\r\n',
  ),
  'authorization-twice': refuse(head('GET /', 'authorization: Bearer a', 'Authorization: Bearer b')),
  'single-header-twice': refuse(...SINGLE.map((text) => head('GET /', text, text))),
  'key-invalid': {
    requests: [
      'GET / HTTP/1.1\r\nhost: a.test\r\nx-tenant:\r\n\r\n',
      `GET / HTTP/1.1\r\nhost: a.test\r\nx-tenant: ${'k'.repeat(257)}\r\n\r\n`,
      'GET / HTTP/1.1\r\nhost: .svc.test\r\n\r\n',
    ],
    isKept: true,
  },
  'expectation-other': refuse(
    head('GET /', 'expect: 200-ok'),
    post('content-length: 5', 'expect: 100-continue, x'),
    'POST / HTTP/1.0\r\nhost: a.test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\nhello',
  ),
}

export const REFUSED_HEADS: Readonly<Record<string, RefusedCase>> = {
  ...REQUEST_LINES,
  ...HOSTS,
  ...HEADER_LINES,
  ...FRAMING,
  ...KEYS,
}
