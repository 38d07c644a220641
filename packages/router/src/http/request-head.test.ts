import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  decodeText,
  encodeText,
  type RequestHead,
  readConnection,
  readRequestHead,
  requestView,
} from './request-head.ts'
import { RequestScan, scanRequest } from './request-scan.ts'

function readText(text: string): { head: RequestHead; view: ReturnType<typeof requestView> } {
  const scan = new RequestScan(['x-tenant'])
  const bytes = Buffer.from(text, 'latin1')
  assert.equal(scanRequest(scan, bytes, 0, bytes.length), bytes.length, scan.problem)
  const head = readRequestHead(scan, text)
  assert.ok(!('code' in head))
  return { head, view: requestView(scan, text, head) }
}

const request = (line: string, ...lines: string[]) =>
  `${line}\r\nHost: a.test\r\n${lines.map((text) => `${text}\r\n`).join('')}\r\n`

describe('the head of a request', () => {
  test('has its lines as they came, less those that end here', () => {
    const { head } = readText(
      request('GET /x?y HTTP/1.1', 'A:  b ', 'x-request-id: i', 'connection: a2, x', 'a2: c', 'B: d'),
    )
    assert.equal(head.lines, 'Host: a.test\r\nA:  b \r\nB: d\r\n')
    assert.deepEqual([head.method, head.target, head.path, head.host], ['GET', '/x?y', '/x', 'a.test'])
    assert.equal(head.requestId, 'i')
  })

  test('takes a URL apart', () => {
    for (const [url, host, target] of [
      ['http://b.test', 'b.test', '/'],
      ['https://b.test:8443/x', 'b.test:8443', '/x'],
      ['http://[::1]?q', '[::1]', '/?q'],
    ] as const) {
      const { head, view } = readText(request(`GET ${url} HTTP/1.1`))
      assert.deepEqual([head.host, head.target, head.lines], [host, target, `host: ${host}\r\n`])
      assert.equal(view.host, host)
    }
  })

  test('keeps its connection by version and by word', () => {
    const isKept = (version: string, ...lines: string[]) =>
      readText(request(`GET / HTTP/${version}`, ...lines)).head.isKeptAlive
    assert.equal(isKept('1.1'), true)
    assert.equal(isKept('1.1', 'connection: CLOSE'), false)
    assert.equal(isKept('1.1', 'connection: keep-alive, close'), false)
    assert.equal(isKept('1.0'), false)
    assert.equal(isKept('1.0', 'connection: Keep-Alive'), true)
  })

  test('is a WebSocket’s only if all of it says so', () => {
    const isWebSocket = (line: string, ...lines: string[]) =>
      readText(request(line, ...lines)).head.isWebSocket
    assert.equal(isWebSocket('GET / HTTP/1.1', 'connection: upgrade', 'upgrade: WebSocket'), true)
    assert.equal(isWebSocket('GET / HTTP/1.1', 'upgrade: websocket'), false)
    assert.equal(isWebSocket('GET / HTTP/1.0', 'connection: upgrade', 'upgrade: websocket'), false)
    assert.equal(isWebSocket('POST / HTTP/1.1', 'connection: upgrade', 'upgrade: websocket'), false)
    assert.equal(isWebSocket('GET / HTTP/1.1', 'connection: upgrade', 'upgrade: h2c'), false)
  })

  test('gives a key’s header as its sender meant it', () => {
    assert.equal(
      readText(request('GET / HTTP/1.1', `x-tenant: ${encodeText('zoë')}`)).view.header('x-tenant'),
      'zoë',
    )
    assert.equal(decodeText('\xff'), '\xff')
    assert.equal(decodeText(encodeText('\ufeffacme')), '\ufeffacme', 'a byte order mark is a character')
  })
})

test('options of a connection are told from headers that it names', () => {
  assert.deepEqual(readConnection('Upgrade ,X-A,, close\t, x-b'), {
    isClose: true,
    isKeepAlive: false,
    isUpgrade: true,
    named: ['x-a', 'x-b'],
  })
})
