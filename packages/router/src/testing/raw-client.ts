/** A client for tests that is nothing but a socket: it sends the bytes it is told, in the pieces it is told. */
import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

export type RawReceived = {
  status: number
  /** Status line and header lines, as they came. */
  head: string
  /** The payload: without the chunks' framing, and without trailers. */
  body: string
  /** What follows the last chunk, each line with its CR LF. */
  trailers: string
}

/** Loose: other suites share the machine. */
const WAIT_MAX_MS = 60_000

export type RawClient = Awaited<ReturnType<typeof connectRaw>>

export async function connectRaw(port: number) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  const state = { received: '', hasEnded: false, isClosed: false }
  const changes = new EventEmitter()
  // Seen as `isClosed`: tests look at that.
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    state.received += bytes.toString('latin1')
    changes.emit('change')
  })
  socket.on('end', () => {
    state.hasEnded = true
    changes.emit('change')
    socket.end()
  })
  socket.on('close', () => {
    state.isClosed = true
    changes.emit('change')
  })
  await once(socket, 'connect')

  /** Looks after each change, without the pauses of a poll: there are thousands of such waits. */
  async function untilReceived<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const signal = AbortSignal.timeout(WAIT_MAX_MS)
    for (;;) {
      const value = look()
      if (value !== undefined && value !== false) return value
      if (state.isClosed || signal.aborted) {
        const why = signal.aborted ? `not within ${WAIT_MAX_MS} ms` : 'and the connection is closed'
        throw new Error(
          `waited for ${what}, ${why}; received ${JSON.stringify(state.received.slice(0, 500))}`,
        )
      }
      await once(changes, 'change', { signal })
    }
  }

  return {
    get received() {
      return state.received
    },
    /** The other side sends nothing more. */
    get hasEnded() {
      return state.hasEnded || state.isClosed
    },
    /** What was written and not taken yet: the buffers of both sides' kernels are full. */
    get bytesLeft() {
      return socket.writableLength
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    /** Latin-1 text. */
    write: (text: string) => void socket.write(text, 'latin1'),
    /** Half-closes. */
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    /** Goes away so that the other side knows: an end alone could be a half-close. */
    reset: () => void socket.resetAndDestroy(),
    /** One piece a packet, as far as the other side listens. The loop turns in between, so each is read by itself. */
    async writePieces(pieces: Iterable<string>): Promise<void> {
      for (const piece of pieces) {
        if (state.received !== '' || state.hasEnded || socket.destroyed) return
        socket.write(piece, 'latin1')
        await turn()
        await turn()
      }
    },
    /** Waits for the last of `methods.length` answers, and returns all. */
    answers: (...methods: readonly string[]): Promise<RawReceived[]> =>
      untilReceived(`${methods.length} answers`, () => readAnswers(state.received, methods, state.hasEnded)),
    /** Waits until `text` has come. */
    receives: (text: string): Promise<boolean> =>
      untilReceived(JSON.stringify(text), () => state.received.includes(text)),
    async closed(): Promise<void> {
      await untilReceived('the connection to be closed', () => state.hasEnded || state.isClosed)
      socket.destroy()
    },
  }
}

/** The final answers to requests of these methods, 1xx left out; undefined while they are not whole. */
export function readAnswers(
  text: string,
  methods: readonly string[],
  hasEnded: boolean,
): RawReceived[] | undefined {
  const answers: RawReceived[] = []
  let at = 0
  while (answers.length < methods.length) {
    const answer = readAnswer(text.slice(at), methods[answers.length]!, hasEnded)
    if (!answer) return undefined
    at += answer.length
    if (answer.status >= 200 || answer.status === 101) answers.push(answer)
  }
  return answers
}

function readAnswer(
  text: string,
  method: string,
  hasEnded: boolean,
): (RawReceived & { length: number }) | undefined {
  const start = text.indexOf('\r\n\r\n') + 4
  if (start < 4) return undefined
  const head = text.slice(0, start - 2)
  const status = Number(head.slice(9, 12))
  const rest = text.slice(start)
  const none = { status, head, body: '', trailers: '', length: start }
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return none
  if (/^transfer-encoding: *chunked\r$/im.test(head)) {
    const chunked = readChunks(rest)
    return chunked && { ...none, ...chunked, length: start + chunked.length }
  }
  const given = /^content-length: *(\d+)\r$/im.exec(head)
  const length = given ? Number(given[1]) : rest.length
  if (rest.length < length || (!given && !hasEnded)) return undefined
  return { ...none, body: rest.slice(0, length), length: start + length }
}

function readChunks(text: string): { body: string; trailers: string; length: number } | undefined {
  let body = ''
  let at = 0
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(text.slice(at, line), 16)
    at = line + 2
    if (size === 0) break
    if (text.length < at + size + 2) return undefined
    body += text.slice(at, at + size)
    at += size + 2
  }
  const trailers = /^((?:[^\r\n]+\r\n)*)\r\n/.exec(text.slice(at))
  return trailers ? { body, trailers: trailers[1]!, length: at + trailers[0].length } : undefined
}
