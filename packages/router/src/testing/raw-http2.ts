/**
 * A client of HTTP/2 for tests that sends the frames it is told, also those that no library would: headers that are
 * forbidden, lengths that are wrong. Header blocks are written as literals (RFC 7541, section 6.2.2), and what comes back
 * is looked at by frame, not decoded.
 */
import type { TLSSocket } from 'node:tls'

export type Frame = { type: number; flags: number; stream: number; payload: Buffer }

const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7 } as const

export const END_STREAM = 0x1
const END_HEADERS = 0x4
const HEADER_BYTES = 9

export const REQUEST_FIELDS = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'router.test'],
  [':path', '/'],
] as const

/** `socket` has agreed on `h2` and has not been used. */
export function rawHttp2(socket: TLSSocket) {
  const frames: Frame[] = []
  let pending: Buffer = Buffer.alloc(0)
  // Seen as `isClosed`: tests look at that.
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes])
    while (pending.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + pending.readUIntBE(0, 3)
      if (pending.length < end) return
      const stream = pending.readUInt32BE(5) & 0x7fffffff
      const payload = pending.subarray(HEADER_BYTES, end)
      frames.push({ type: pending[3]!, flags: pending[4]!, stream, payload })
      pending = pending.subarray(end)
    }
  })
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(HEADER_BYTES)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    return Buffer.concat([head, payload])
  }
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(frame(FRAME.settings, 0, 0, Buffer.alloc(0)))

  return {
    frames,
    get isClosed() {
      return socket.destroyed || socket.readableEnded
    },
    headers(stream: number, fields: readonly (readonly [string, string])[], flags = END_STREAM): void {
      const block = Buffer.concat(fields.map(([name, value]) => literal(name, value)))
      socket.write(frame(FRAME.headers, flags | END_HEADERS, stream, block))
    },
    data(stream: number, text: string, flags = 0): void {
      socket.write(frame(FRAME.data, flags, stream, Buffer.from(text)))
    },
    reset(stream: number, code: number): void {
      const payload = Buffer.alloc(4)
      payload.writeUInt32BE(code)
      socket.write(frame(FRAME.reset, 0, stream, payload))
    },
    /** The code with which a stream was reset, or undefined. */
    resetOf(stream: number): number | undefined {
      return frames.find((f) => f.type === FRAME.reset && f.stream === stream)?.payload.readUInt32BE()
    },
    /** What came of a stream's body, as Latin-1. */
    bodyOf(stream: number): string {
      const data = frames.filter((f) => f.type === FRAME.data && f.stream === stream)
      return Buffer.concat(data.map(({ payload }) => payload)).toString('latin1')
    },
    /** Codes of the GOAWAY frames. */
    get goaways(): number[] {
      return frames.filter(({ type }) => type === FRAME.goaway).map(({ payload }) => payload.readUInt32BE(4))
    },
    destroy: () => void socket.destroy(),
  }
}

/** Without indexing, a new name, no Huffman code; both shorter than 127 bytes. */
function literal(name: string, value: string): Buffer {
  const [n, v] = [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')]
  return Buffer.concat([Buffer.from([0, n.length]), n, Buffer.from([v.length]), v])
}
