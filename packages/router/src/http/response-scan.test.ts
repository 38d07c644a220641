import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { headerValue, INCOMPLETE, keptLines, REFUSED } from './head-scan.ts'
import { CHUNKED } from './request-scan.ts'
import { RESPONSE, ResponseScan, scanResponse, UNTIL_CLOSE } from './response-scan.ts'

function scanText(text: string): { end: number; scan: ResponseScan } {
  const scan = new ResponseScan()
  const bytes = Buffer.from(text, 'latin1')
  return { end: scanResponse(scan, bytes, 0, bytes.length), scan }
}

const HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nA: b\r\nContent-Length: 5\r\n\r\n'

describe('the scan of an answer’s head', () => {
  test('gives the status, positions and framing', () => {
    const { end, scan } = scanText(`${HEAD}hello`)
    assert.equal(end, HEAD.length)
    assert.equal(scan.status, 200)
    assert.equal(scan.bodyLength, 5)
    assert.equal(headerValue(scan, HEAD, RESPONSE.contentType), 'text/plain')
    assert.equal(
      keptLines(scan, HEAD, scan.start),
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nA: b\r\nContent-Length: 5\r\n',
    )
  })

  test('is incomplete at every cut', () => {
    const bytes = Buffer.from(HEAD)
    for (let limit = 0; limit < bytes.length; limit++) {
      assert.equal(scanResponse(new ResponseScan(), bytes, 0, limit), INCOMPLETE, `cut at ${limit}`)
    }
  })

  test('takes any reason, or none', () => {
    for (const line of ['HTTP/1.1 200 ', 'HTTP/1.1 200', 'HTTP/1.0 404 \u00e9 t\t', 'HTTP/1.1 599 x']) {
      assert.ok(scanText(`${line}\r\n\r\n`).end > 0, line)
    }
  })

  test('refuses other status lines', () => {
    for (const line of [
      'HTTP/1.1  200',
      'HTTP/1.1 099',
      'HTTP/1.1 600',
      'HTTP/1.1 20',
      'HTTP/1.1 2000',
      'HTTP/1.1\t200',
      'http/1.1 200',
      'HTTP/2.0 200',
    ]) {
      assert.equal(scanText(`${line}\r\n\r\n`).end, REFUSED, line)
    }
  })

  test('knows where the body ends, or that it may not have one', () => {
    const lengthOf = (status: number, ...lines: string[]) => {
      const { end, scan } = scanText(
        `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
      )
      return end === REFUSED ? 'refused' : scan.bodyLength
    }
    assert.equal(lengthOf(200), UNTIL_CLOSE)
    assert.equal(lengthOf(200, 'transfer-encoding: Chunked'), CHUNKED)
    assert.equal(lengthOf(200, 'transfer-encoding: chunked', 'content-length: 1'), 'refused')
    assert.equal(lengthOf(200, 'content-length: 1', 'content-length: 1'), 'refused')
    assert.equal(lengthOf(304, 'content-length: 10'), 10)
    assert.equal(lengthOf(204), UNTIL_CLOSE)
    assert.equal(lengthOf(204, 'content-length: 0'), 0)
    for (const status of [101, 103, 204]) {
      assert.equal(lengthOf(status, 'content-length: 1'), 'refused')
      assert.equal(lengthOf(status, 'transfer-encoding: chunked'), 'refused')
    }
  })
})
