import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BodyReader } from './body-reader.ts'
import { ChunkedReader, formatChunk, formatLastChunk } from './chunked-body.ts'
import { REFUSED } from './head-scan.ts'
import { CHUNKED } from './request-scan.ts'
import { UNTIL_CLOSE } from './response-scan.ts'

type Read = { data: string; trailers: string; left: string; problem: string; isDone: boolean }

/** Reads a body that arrives in these pieces. */
function readAll(reader: ChunkedReader | BodyReader, pieces: readonly string[]): Read {
  let data = ''
  let left = ''
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    let at = 0
    while (at < bytes.length && !reader.isDone) {
      at = reader.read(bytes, at, bytes.length)
      if (at === REFUSED) return { data, trailers: '', left, problem: reader.problem, isDone: false }
      data += bytes.toString('latin1', reader.dataStart, reader.dataEnd)
    }
    left += piece.slice(at)
  }
  return { data, trailers: reader.trailers, left, problem: '', isDone: reader.isDone }
}

const read = (...pieces: string[]) => readAll(new ChunkedReader(), pieces)
const BODY = '5\r\nhello\r\n00B\r\n world\r\n0\r\n\r\n0\r\nX-Sum: 1\r\ncookie: a\r\n\r\n'
const WHOLE = { data: 'hello world\r\n0\r\n', trailers: 'X-Sum: 1\r\n', problem: '', isDone: true }

describe('a chunked body', () => {
  test('gives its data and trailers, and leaves what follows', () => {
    assert.deepEqual(read(`${BODY}GET /`), { ...WHOLE, left: 'GET /' })
    assert.deepEqual(read('0\r\n\r\n'), { data: '', trailers: '', left: '', problem: '', isDone: true })
  })

  test('is the same cut in two at every offset, and byte by byte', () => {
    const text = `${BODY}GET /`
    for (let at = 1; at < text.length; at++) {
      assert.deepEqual(read(text.slice(0, at), text.slice(at)), { ...WHOLE, left: 'GET /' }, `cut at ${at}`)
    }
    assert.deepEqual(read(...text), { ...WHOLE, left: 'GET /' })
  })

  test('is not done before its last byte', () => {
    for (let at = 1; at < BODY.length; at++)
      assert.equal(read(BODY.slice(0, at)).isDone, false, `cut at ${at}`)
  })

  test('is refused for anything but plain sizes and CR LF, wherever it is cut', () => {
    const refused = [
      ...['\r\n', ' 5\r\n', '5 \r\n', '+5\r\n', '-5\r\n', '0x5\r\n', 'g\r\n', '5;a\r\n', '5\n', '5\rx'],
      ...[
        '00000000000001\r\n',
        '1\r\naa',
        '1\r\na\n',
        '1\r\na\rx',
        '0\r\n a: b\r\n',
        '0\r\na b\r\n',
        '0\r\na: b\n',
      ],
      ...['0\r\ncontent-length: 1\r\n\r\n', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ]
    for (const text of refused) {
      assert.notEqual(read(text).problem, '', JSON.stringify(text))
      assert.notEqual(read(...text).problem, '', `${JSON.stringify(text)}, byte by byte`)
    }
  })

  test('has trailers of 4,096 bytes with their blank line at most, in however many pieces', () => {
    const trailers = (length: number) => `0\r\na: ${'b'.repeat(length - 'a: \r\n\r\n'.length)}\r\n\r\n`
    for (const cut of [1, 1_000, 4_000, 4_098]) {
      const pieces = (text: string) => [text.slice(0, cut), text.slice(cut)].filter((piece) => piece !== '')
      assert.equal(read(...pieces(trailers(4_096))).isDone, true, `cut at ${cut}`)
      assert.notEqual(read(...pieces(trailers(4_097))).problem, '', `cut at ${cut}`)
    }
  })

  test('has sizes up to 2^52, which lose no byte', () => {
    assert.equal(read('FFFFFFFFFFFFF\r\nabc').data, 'abc')
    assert.notEqual(read('10000000000000\r\nabc').problem, '')
  })

  test('is written so that it is read back', () => {
    const text = formatChunk('hello') + formatChunk('x'.repeat(300)) + formatLastChunk('a: b\r\n')
    assert.deepEqual(read(text), {
      data: `hello${'x'.repeat(300)}`,
      trailers: 'a: b\r\n',
      left: '',
      problem: '',
      isDone: true,
    })
  })
})

describe('a body', () => {
  test('of a length ends with it, and leaves what follows', () => {
    assert.deepEqual(readAll(new BodyReader(5), ['he', 'lloGET']), {
      data: 'hello',
      trailers: '',
      left: 'GET',
      problem: '',
      isDone: true,
    })
  })

  test('that ends with its connection takes all there is', () => {
    const reader = new BodyReader(UNTIL_CLOSE)
    assert.equal(readAll(reader, ['hello', ' world']).data, 'hello world')
    assert.equal(reader.endsWithConnection, true)
    assert.equal(reader.isDone, false)
  })

  test('in chunks is taken out of them', () => {
    const reader = new BodyReader(CHUNKED)
    assert.equal(reader.isChunked, true)
    assert.deepEqual(readAll(reader, [BODY]), { ...WHOLE, left: '' })
  })
})
