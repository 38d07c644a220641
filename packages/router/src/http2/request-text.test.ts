import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNKED } from '../http/request-scan.ts'
import { formatRequestText, formatTrailerLines } from './request-text.ts'

const GET = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/x?y=1']
const POST = [':method', 'POST', ...GET.slice(2)]

const textOf = (fields: readonly string[], isEnded = true) => {
  const request = formatRequestText(fields, isEnded)
  assert.ok(typeof request !== 'string', String(request))
  return request
}

test('a request becomes the text of HTTP/1.1 with its authority as host', () => {
  const { text, bodyLength } = textOf([...GET, 'accept', '*/*', 'x-tenant', 'acme'])
  assert.equal(text, 'GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nx-tenant: acme\r\n\r\n')
  assert.equal(bodyLength, 0)
})

test('crumbs of a cookie are joined; a host that says the same is said once', () => {
  const { text } = textOf([...GET, 'cookie', 'a=1', 'host', 'A.test', 'cookie', 'b=2'])
  assert.equal(text, 'GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\ncookie: a=1; b=2\r\n\r\n')
})

test('a body has the length that was given, or chunks', () => {
  assert.deepEqual(textOf([...POST, 'content-length', '5'], false).bodyLength, 5)
  const { text, bodyLength } = textOf(POST, false)
  assert.equal(bodyLength, CHUNKED)
  assert.match(text, /\r\ntransfer-encoding: chunked\r\n/)
})

test('what is malformed has no text', () => {
  const replaced = (name: string, value: string) => {
    const at = GET.indexOf(name)
    return [...GET.slice(0, at + 1), value, ...GET.slice(at + 2)]
  }
  for (const [fields, expected] of [
    [[...GET, 'connection', 'close'], /connection/],
    [[...GET, 'transfer-encoding', 'chunked'], /transfer-encoding/],
    [[...GET, 'upgrade', 'websocket'], /upgrade/],
    [[...GET, 'keep-alive', '1'], /keep-alive/],
    [[...GET, 'proxy-connection', 'x'], /proxy-connection/],
    [[...GET, 'te', 'gzip'], /te other/],
    [[...GET, 'host', 'b.test'], /different hosts/],
    [[...GET, 'X-Upper', '1'], /name/],
    [[...GET, 'a b', '1'], /name/],
    [[...GET, '', '1'], /name/],
    [[...GET, 'x', 'a\r\nhost: b.test'], /value/],
    [[...GET, 'x', 'a\0'], /value/],
    [[...GET, 'x', ' a'], /value/],
    [[...GET, ':path', '/again'], /twice/],
    [[...GET, 'content-length', '5'], /without a body/],
    [replaced(':path', '/a HTTP/1.1\r\nx: y'), /:path/],
    [replaced(':path', '/a b'), /:path/],
    [replaced(':path', 'http://b.test/'), /does not start/],
    [replaced(':path', ''), /:path/],
    [replaced(':scheme', 'http'), /:scheme/],
    [replaced(':method', 'G T'), /:method/],
    [replaced(':authority', 'user@a.test'), /:authority/],
  ] as const) {
    const request = formatRequestText(fields, true)
    assert.ok(typeof request === 'string', JSON.stringify(fields))
    assert.match(request, expected)
  }
})

test('trailers become lines, without those of a connection; a line break is none', () => {
  assert.equal(formatTrailerLines(['x-sum', '1', 'connection', 'x']), 'x-sum: 1\r\n')
  assert.equal(formatTrailerLines(['x', 'a\r\nb']), undefined)
})
