/**
 * A cell for tests that is nothing but a TCP server: it keeps every byte that it was sent and answers with bytes that a
 * test made up. So a test sees what really crosses the router, and can answer what no HTTP library would.
 *
 * It knows just enough HTTP to see where a request ends. That is written apart from the router's own scanners, so that
 * the two cannot err together.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

export type RawConnection = {
  /** All bytes that came on it, as Latin-1. */
  readonly received: string
  /** Whole requests among them, heads with bodies. */
  readonly requests: readonly string[]
  readonly isOpen: boolean
  /** Latin-1 text. */
  write(text: string): void
  /** One piece a packet. The loop turns in between, so each is read by itself. */
  writePieces(pieces: Iterable<string>): Promise<void>
  end(): void
  /** Goes away without a word: what is under way on it is lost. */
  reset(): void
}

/** Called with each whole request; what it returns is written, and undefined leaves it to the test. */
type RawAnswer = (request: string, connection: RawConnection) => string | undefined

export type RawCell = Awaited<ReturnType<typeof startRawCell>>

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

const answerOk: RawAnswer = () => OK

export async function startRawCell() {
  const connections: (RawConnection & { readonly socket: Socket })[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const cell = {
    url: `http://127.0.0.1:${port}`,
    answer: answerOk,
    /** Called when the head of a request is there, before its body. */
    onHead: (_connection: RawConnection): void => {},
    /** Since the last `reset`, oldest first. */
    get connections(): readonly RawConnection[] {
      return connections
    },
    get received(): string {
      return connections.map(({ received }) => received).join('')
    },
    get requests(): string[] {
      return connections.flatMap(({ requests }) => requests)
    },
    /** Forgets what came, and answers as at first. Connections that stand go on as they are. */
    reset(): void {
      const open = connections.filter((connection) => connection.isOpen)
      connections.splice(0, Number.POSITIVE_INFINITY, ...open.map(({ socket }) => record(socket)))
      cell.answer = answerOk
      cell.onHead = () => {}
    },
    async stop(): Promise<void> {
      for (const { socket } of connections) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }

  function accept(socket: Socket): void {
    // The router resets connections that it discards: that is what is tested, not an error.
    socket.on('error', () => {})
    connections.push(record(socket))
  }

  function record(socket: Socket) {
    const pieces: string[] = []
    /** What is no whole request yet. */
    let rest = ''
    let isHeadSeen = false
    const requests: string[] = []
    const connection = {
      socket,
      requests,
      get received() {
        return pieces.join('')
      },
      get isOpen() {
        return !socket.destroyed
      },
      write: (text: string) => void socket.write(text, 'latin1'),
      async writePieces(pieces: Iterable<string>) {
        for (const piece of pieces) {
          if (socket.destroyed) return
          socket.write(piece, 'latin1')
          await turn()
          await turn()
        }
      },
      end: () => void socket.end(),
      reset: () => void socket.resetAndDestroy(),
    }
    socket.removeAllListeners('data').removeAllListeners('end')
    socket.on('data', (bytes) => {
      pieces.push(bytes.toString('latin1'))
      rest += pieces.at(-1)
      for (;;) {
        if (!isHeadSeen && rest.includes('\r\n\r\n')) {
          isHeadSeen = true
          cell.onHead(connection)
        }
        const end = endOfRequest(rest)
        if (end === undefined) return
        isHeadSeen = false
        const request = rest.slice(0, end)
        rest = rest.slice(end)
        requests.push(request)
        const answer = cell.answer(request, connection)
        if (answer !== undefined) connection.write(answer)
      }
    })
    // The router gives a connection up as a whole; whoever half-closes here wants the tunnel's other half to end.
    socket.on('end', () => socket.end())
    return connection
  }

  return cell
}

/** Where the first request of `text` ends; undefined while it is not whole. Valid for what a router may send. */
function endOfRequest(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n') + 4
  if (head < 4) return undefined
  const lines = text.slice(0, head)
  if (/^transfer-encoding: *chunked\r$/im.test(lines)) {
    const last = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(head))
    return last ? head + last.index + last[0].length : undefined
  }
  const end = head + Number(/^content-length: *(\d+)\r$/im.exec(lines)?.[1] ?? 0)
  return text.length >= end ? end : undefined
}
