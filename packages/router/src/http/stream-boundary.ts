/**
 * Where a stream without an end may be ended without harm: between two events of an event stream, between two frames of
 * a WebSocket. A router that stops, or a cell that drains, ends such streams there; clients come back by themselves.
 *
 * A tracker sees everything that goes to the client, piece by piece.
 */
export type StreamBoundary = {
  /** What was seen so far ends with a whole event or frame; also before there was any. */
  readonly isAtBoundary: boolean
  feed(data: string): void
}

/** Server-sent events: an empty line ends an event (HTML standard, section 9.2.6); lines end with LF, CR LF or CR. */
export function createEventBoundary(): StreamBoundary {
  let tail = '\n\n'
  return {
    get isAtBoundary() {
      return /(?:\n\n|\r\n\r\n|\r\r)$/.test(tail)
    },
    feed(data) {
      tail = (tail + data.slice(-TAIL)).slice(-TAIL)
    },
  }
}

/** The longest empty line with the line before it: CR LF CR LF. */
const TAIL = 4

/** WebSocket frames of a server, which are not masked (RFC 6455, section 5.2). `data` is Latin-1 text. */
export function createFrameBoundary(): StreamBoundary {
  /** The beginning of a frame's header that has not come in full. */
  let header = ''
  let payloadLeft = 0
  return {
    get isAtBoundary() {
      return payloadLeft === 0 && header === ''
    },
    feed(data) {
      let at = Math.min(payloadLeft, data.length)
      payloadLeft -= at
      while (at < data.length) {
        header += data[at++]
        const length = payloadLength(header)
        if (length === undefined) continue
        header = ''
        const here = Math.min(length, data.length - at)
        payloadLeft = length - here
        at += here
      }
    },
  }
}

const MASK_BIT = 0x80

/** Undefined while the header is not whole. */
function payloadLength(header: string): number | undefined {
  if (header.length < 2) return undefined
  const second = header.charCodeAt(1)
  const short = second & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  const masking = (second & MASK_BIT) === 0 ? 0 : 4
  if (header.length < 2 + extended + masking) return undefined
  if (extended === 0) return short
  let length = 0
  for (let i = 2; i < 2 + extended; i++) length = length * 256 + header.charCodeAt(i)
  return length
}

/** A close frame with status 1001, "going away" (RFC 6455, section 7.4.1), from a server. */
export const CLOSE_GOING_AWAY = '\x88\x02\x03\xe9'
