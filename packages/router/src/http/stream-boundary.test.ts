import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLOSE_GOING_AWAY, createEventBoundary, createFrameBoundary } from './stream-boundary.ts'

describe('an event stream', () => {
  for (const [what, end] of [
    ['LF', '\n\n'],
    ['CR LF', '\r\n\r\n'],
    ['CR', '\r\r'],
  ] as const) {
    test(`may be ended after an empty line, with ${what}, however it is cut into pieces`, () => {
      const boundary = createEventBoundary()
      assert.equal(boundary.isAtBoundary, true)
      const stream = `data: one${end}data: two${end}`
      for (let i = 0; i < stream.length; i++) {
        boundary.feed(stream[i]!)
        assert.equal(boundary.isAtBoundary, stream.slice(0, i + 1).endsWith(end), `after ${i + 1} bytes`)
      }
    })
  }
})

describe('a WebSocket', () => {
  const frame = (length: number): string => {
    const payload = 'x'.repeat(length)
    if (length < 126) return `\x82${String.fromCharCode(length)}${payload}`
    if (length < 65_536) return `\x82\x7e${String.fromCharCode(length >> 8, length & 255)}${payload}`
    return `\x82\x7f\0\0\0\0\0${String.fromCharCode(length >> 16, (length >> 8) & 255, length & 255)}${payload}`
  }

  test('may be ended between frames of every length, however they are cut into pieces', () => {
    const frames = [0, 1, 125, 126, 65_535, 65_536, 70_000, 2].map(frame)
    const ends = new Set<number>()
    let total = 0
    for (const text of frames) {
      total += text.length
      ends.add(total)
    }
    const stream = frames.join('')
    for (const step of [1, 7, 4_096, stream.length]) {
      const boundary = createFrameBoundary()
      for (let at = 0; at < stream.length; at += step) {
        boundary.feed(stream.slice(at, at + step))
        const seen = Math.min(at + step, stream.length)
        assert.equal(boundary.isAtBoundary, ends.has(seen), `step ${step}, after ${seen} bytes`)
      }
    }
  })

  test('is told to go by one whole frame', () => {
    const boundary = createFrameBoundary()
    boundary.feed(CLOSE_GOING_AWAY)
    assert.equal(boundary.isAtBoundary, true)
  })
})
