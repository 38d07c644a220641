/**
 * A chunked body (RFC 9112, section 7.1), read piece by piece as it arrives, and written anew.
 *
 *     size ──(CR LF)──▶ data ──(all of it)──▶ data end ──(CR LF)──▶ size
 *       └──(size 0, CR LF)──▶ trailers ──(blank line)──▶ done
 *
 * Sizes are plain hexadecimal numbers. Chunk extensions are refused: nobody needs them, and parsers disagree about them.
 * What goes on to the other side is framed anew, so nothing of the sender's framing reaches it.
 */
import { HEADERS } from '@cellplane/contract'
import { CLASSES, CR, DIGIT, HEX, LF } from './character-classes.ts'
import { HeadScan, INCOMPLETE, keptLines, REFUSED, scanHeaderLines } from './head-scan.ts'
import { CUT, compileHeaderNames, type HeaderName } from './header-names.ts'

/** Thirteen hexadecimal digits are 2^52. */
const SIZE_DIGITS_MAX = 13

/** Checksums and the like; more is somebody's attempt to send headers late. */
const TRAILER_BYTES_MAX = 4_096

/** What a trailer may not say (RFC 9110, section 6.5.1): routing, credentials and the like. Such lines are dropped. */
const NOT_IN_TRAILERS = [
  ...[
    'content-length',
    'transfer-encoding',
    'host',
    'connection',
    'keep-alive',
    'upgrade',
    'te',
    'trailer',
    'expect',
  ],
  ...[
    'content-encoding',
    'content-type',
    'content-range',
    'authorization',
    'cookie',
    'set-cookie',
    'age',
    'vary',
  ],
  ...[
    'cache-control',
    'max-forwards',
    'range',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
  ],
  ...['http2-settings', 'forwarded'],
  ...[HEADERS.idempotencyKey, HEADERS.wantedCell, HEADERS.requestId, HEADERS.traceparent, 'tracestate'],
]

const TRAILER_NAMES = compileHeaderNames(
  NOT_IN_TRAILERS.map((name): HeaderName => ({ name, fate: CUT, isSingle: false })),
)

/**
 * What ends more than the line: some parsers take these for the header, and then disagree about where the body or the
 * connection ends. A message with such a trailer is refused.
 */
const REFUSED_IDS = ['content-length', 'transfer-encoding', 'connection', 'proxy-connection', 'upgrade'].map(
  (name) => TRAILER_NAMES.idOf(name),
)

type State = 'size' | 'size-end' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done'

export class ChunkedReader {
  /** After each `read`: the data that it found, as offsets; empty when they are equal. */
  dataStart = 0
  dataEnd = 0
  /** Header lines, each with its CR LF; what a trailer may not say is taken out. Known when done. */
  trailers = ''
  problem = ''
  #state: State = 'size'
  #left = 0
  #digits = 0
  #trailerText = ''

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /**
   * Reads on, up to one piece of data.
   *
   * @returns the offset up to which it has read, or REFUSED, when `problem` says why
   */
  read(bytes: Buffer, start: number, limit: number): number {
    this.dataStart = 0
    this.dataEnd = 0
    let at = start
    while (at < limit) {
      switch (this.#state) {
        case 'size': {
          const byte = bytes[at]!
          if ((CLASSES[byte]! & HEX) !== 0) {
            if (++this.#digits > SIZE_DIGITS_MAX) return this.#refuse('a chunk size with too many digits')
            const digit = (CLASSES[byte]! & DIGIT) !== 0 ? byte - 0x30 : (byte | 0x20) - 0x57
            this.#left = this.#left * 16 + digit
          } else if (byte === CR && this.#digits > 0) {
            this.#state = 'size-end'
          } else {
            return this.#refuse('a chunk size that is not a hexadecimal number and CR LF')
          }
          at++
          break
        }
        case 'size-end':
          if (bytes[at++] !== LF)
            return this.#refuse('a chunk size that is not a hexadecimal number and CR LF')
          this.#digits = 0
          this.#state = this.#left === 0 ? 'trailers' : 'data'
          break
        case 'data': {
          const end = Math.min(limit, at + this.#left)
          this.dataStart = at
          this.dataEnd = end
          this.#left -= end - at
          if (this.#left === 0) this.#state = 'data-cr'
          return end
        }
        case 'data-cr':
          if (bytes[at++] !== CR) return this.#refuse('a chunk that is longer than its size')
          this.#state = 'data-lf'
          break
        case 'data-lf':
          if (bytes[at++] !== LF) return this.#refuse('a chunk that is longer than its size')
          this.#state = 'size'
          break
        case 'trailers':
          return this.#readTrailers(bytes, at, limit)
        case 'done':
          return at
      }
    }
    return at
  }

  #readTrailers(bytes: Buffer, start: number, limit: number): number {
    const before = this.#trailerText.length
    const text =
      this.#trailerText + bytes.toString('latin1', start, Math.min(limit, start + TRAILER_BYTES_MAX))
    const scan = new HeadScan(TRAILER_NAMES)
    const all = Buffer.from(text, 'latin1')
    const end = scanHeaderLines(scan, all, 0, all.length)
    if (end === REFUSED) return this.#refuse(`${scan.problem}, in a trailer`)
    if (REFUSED_IDS.some((id) => scan.has(id)))
      return this.#refuse('a trailer about framing or the connection')
    // Whether they came in one piece or in several.
    if ((end === INCOMPLETE ? text.length + 1 : end) > TRAILER_BYTES_MAX)
      return this.#refuse(`trailers of more than ${TRAILER_BYTES_MAX} bytes`)
    if (end === INCOMPLETE) {
      this.#trailerText = text
      return limit
    }
    this.trailers = keptLines(scan, text, 0)
    this.#state = 'done'
    return start + end - before
  }

  #refuse(problem: string): typeof REFUSED {
    this.problem = problem
    return REFUSED
  }
}

/** One chunk of a body that is written anew. `data` is Latin-1 text and not empty: an empty chunk would end the body. */
export function formatChunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`
}

export function formatLastChunk(trailers: string): string {
  return `0\r\n${trailers}\r\n`
}
