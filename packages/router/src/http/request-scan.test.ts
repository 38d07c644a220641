import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { headerValue, INCOMPLETE, keptLines, REFUSED } from './head-scan.ts'
import { CHUNKED, REQUEST, RequestScan, scanRequest, TARGET_BYTES_MAX } from './request-scan.ts'

const LINES =
  'Host: a.test\r\nX-Tenant:  acme \r\nConnection: close\r\nA: b\r\nCellplane-Secret: s\r\nC: d\r\n'
const HEAD = `POST /x?y HTTP/1.1\r\n${LINES}\r\n`

function scanText(text: string, keyHeaders: string[] = ['x-tenant']): { end: number; scan: RequestScan } {
  const scan = new RequestScan(keyHeaders)
  const bytes = Buffer.from(text, 'latin1')
  return { end: scanRequest(scan, bytes, 0, bytes.length), scan }
}

const withLine = (line: string, version = '1.1') =>
  scanText(`POST / HTTP/${version}\r\nhost: a\r\n${line}\r\n\r\n`)

describe('the scan of a request’s head', () => {
  test('gives positions of the line, of values without white space, and of the end', () => {
    const { end, scan } = scanText(`${HEAD}body`)
    assert.equal(end, HEAD.length)
    assert.equal(HEAD.slice(scan.methodStart, scan.methodEnd), 'POST')
    assert.equal(HEAD.slice(scan.targetStart, scan.targetEnd), '/x?y')
    assert.equal(scan.minor, 1)
    assert.equal(headerValue(scan, HEAD, REQUEST.host), 'a.test')
    assert.equal(headerValue(scan, HEAD, scan.names.idOf('x-tenant')), 'acme')
    assert.equal(headerValue(scan, HEAD, REQUEST.expect), undefined)
    assert.equal(scan.linesStart, HEAD.indexOf('Host'))
    assert.equal(scan.linesEnd, HEAD.length - 2)
  })

  test('cuts the lines that end at the router, and keeps the others byte for byte', () => {
    const { scan } = scanText(HEAD)
    assert.equal(
      keptLines(scan, HEAD, scan.linesStart),
      'Host: a.test\r\nX-Tenant:  acme \r\nA: b\r\nC: d\r\n',
    )
    assert.equal(scan.cutCount, 2)
  })

  test('starts anywhere in its buffer, and does not read beyond its limit', () => {
    const before = 'GET / HT'
    const bytes = Buffer.from(before + HEAD + HEAD, 'latin1')
    const scan = new RequestScan()
    assert.equal(
      scanRequest(scan, bytes, before.length, before.length + HEAD.length),
      before.length + HEAD.length,
    )
    assert.equal(scan.methodStart, before.length)
  })

  test('is incomplete at every cut, and forgets what it saw before', () => {
    const scan = new RequestScan(['x-tenant'])
    const bytes = Buffer.from(HEAD, 'latin1')
    for (let limit = 0; limit < bytes.length; limit++) {
      assert.equal(scanRequest(scan, bytes, 0, limit), INCOMPLETE, `cut at ${limit}`)
    }
    assert.equal(scanRequest(scan, bytes, 0, bytes.length), bytes.length)
    const bare = Buffer.from('GET / HTTP/1.0\r\n\r\n')
    assert.equal(scanRequest(scan, bare, 0, bare.length), bare.length)
    assert.equal(scan.has(REQUEST.host), false)
    assert.equal(scan.cutCount, 0)
    assert.equal(scan.minor, 0)
  })

  test('refuses a fault as soon as its bytes are there, whatever comes after', () => {
    for (const text of [
      'G@',
      'GET /\x7f',
      'GET / FTP',
      'GET / HTTP/1.1\nx',
      'GET / HTTP/1.1\r\n a',
      'GET / HTTP/1.1\r\na b',
    ]) {
      assert.equal(scanText(text).end, REFUSED, JSON.stringify(text))
      assert.notEqual(scanText(text).scan.problem, '')
    }
  })

  test('says by a code why it refuses', () => {
    const codeOf = (text: string) => scanText(text).scan.code
    assert.equal(codeOf(`GET /${'a'.repeat(TARGET_BYTES_MAX)}`), 'TARGET_TOO_LONG')
    assert.equal(codeOf('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n'), 'METHOD_NOT_ALLOWED')
    assert.equal(codeOf('GET / HTTP/2.0\r\n'), 'HTTP_VERSION_NOT_SUPPORTED')
    assert.equal(codeOf(`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(129)}`), 'HEADERS_TOO_LARGE')
    assert.equal(codeOf('GET / HTTP/1.1\r\n\r\n'), 'INVALID_REQUEST')
  })

  test('takes a target of 8,192 bytes, 128 lines and a method of 32 bytes, and not one more', () => {
    const target = (length: number) =>
      scanText(`GET /${'a'.repeat(length - 1)} HTTP/1.1\r\nhost: a\r\n\r\n`).end
    assert.ok(target(TARGET_BYTES_MAX) > 0)
    assert.equal(target(TARGET_BYTES_MAX + 1), REFUSED)
    const lines = (count: number) =>
      scanText(`GET / HTTP/1.1\r\nhost: a\r\n${'a: b\r\n'.repeat(count - 1)}\r\n`).end
    assert.ok(lines(128) > 0)
    assert.equal(lines(129), REFUSED)
    const method = (length: number) => scanText(`${'M'.repeat(length)} / HTTP/1.1\r\nhost: a\r\n\r\n`).end
    assert.ok(method(32) > 0)
    assert.equal(method(33), REFUSED)
  })

  test('knows one way of framing, in its plainest form', () => {
    const lengthOf = (line: string, version?: string) => {
      const { end, scan } = withLine(line, version)
      return end === REFUSED ? 'refused' : scan.bodyLength
    }
    assert.equal(lengthOf('a: b'), 0)
    assert.equal(lengthOf('content-length: 0'), 0)
    assert.equal(lengthOf('Content-Length:999999999999999'), 999_999_999_999_999)
    assert.equal(lengthOf('Transfer-Encoding: cHuNkEd'), CHUNKED)
    for (const value of ['', '+1', '-1', '1,1', '1 ', '0x1', '1.', '1000000000000000']) {
      assert.equal(lengthOf(`content-length: ${value}`), 'refused', value)
    }
    for (const value of [
      '',
      'chunked ',
      'chunked,',
      'chunkeds',
      'chunke',
      'gzip',
      'chunked, chunked',
      '\x0bchunked',
    ]) {
      assert.equal(lengthOf(`transfer-encoding: ${value}`), 'refused', value)
    }
    assert.equal(lengthOf('transfer-encoding: chunked', '1.0'), 'refused')
    assert.equal(lengthOf('transfer-encoding: chunked\r\ncontent-length: 1'), 'refused')
  })

  test('knows a name in any case, and in the CGI-like spelling only to cut it', () => {
    const { scan } = withLine('HOST_: x\r\nContent_Length: 5\r\nx_tenant: other\r\nx-TENANT: acme')
    assert.equal(scan.bodyLength, 0)
    assert.equal(scan.has(REQUEST.contentLength), false)
    assert.equal(scan.cutCount, 2)
    assert.equal(withLine('x-tenant: a\r\nX-Tenant: b').end, REFUSED)
    assert.ok(withLine('x-tenant: a\r\nx_tenant: b').end > 0)
    assert.ok(withLine('x-tenants: a\r\nx-tenants: b').end > 0)
  })

  test('has no byte of which it takes too much or too little', () => {
    const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/
    for (let byte = 0; byte < 256; byte++) {
      const character = String.fromCharCode(byte)
      const isRefused = (text: string) => scanText(text).end === REFUSED
      const name = isRefused(`GET / HTTP/1.1\r\nhost: a\r\na${character}b: c\r\n\r\n`)
      assert.equal(name, !token.test(character) && character !== ':', `name with ${byte}`)
      const value = isRefused(`GET / HTTP/1.1\r\nhost: a\r\na: b${character}c\r\n\r\n`)
      assert.equal(value, (byte < 0x20 && byte !== 9) || byte === 0x7f, `value with ${byte}`)
      const target = isRefused(`GET /${character} HTTP/1.1\r\nhost: a\r\n\r\n`)
      assert.equal(target, byte <= 0x20 || byte >= 0x7f || character === '#', `target with ${byte}`)
    }
  })

  test('takes time in proportion to its bytes, also where a head is hostile', () => {
    const scan = new RequestScan(['x-tenant'])
    // 16 KB each: one name, one value, and as many names as fit that hash into the table of the known ones.
    for (const lines of [
      `${'a'.repeat(16_000)}: b`,
      `a: ${' '.repeat(16_000)}`,
      'content-lengti: 1\r\n'.repeat(100),
    ]) {
      const bytes = Buffer.from(
        `GET / HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`.replace('\r\n\r\n\r\n', '\r\n\r\n'),
      )
      const { user: before } = process.cpuUsage()
      for (let i = 0; i < 100; i++) scanRequest(scan, bytes, 0, bytes.length)
      // Some 10 ms; a scan that looks back would take seconds.
      assert.ok(process.cpuUsage().user - before < 1_000_000, `${lines.slice(0, 20)}…`)
    }
  })
})
