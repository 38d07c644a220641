/**
 * The cells that contestants forward to: one port each, in this process, as cheap as Node allows. They look at no more
 * of a request than where it ends, count, and answer with their number.
 */
import type { AddressInfo, Server, Socket } from 'node:net'
import { answerText, DOWNLOAD_PREFIX } from '../workload.ts'
import { createSharedServer, type OnRead } from './shared-buffer-socket.ts'

export type Upstreams = {
  readonly ports: readonly number[]
  /** Requests answered since the start. */
  readonly answered: number
  /** Bytes of request bodies since the start. */
  readonly bodyBytes: number
  stop(): Promise<void>
}

const CR = 13
const LF = 10
const HEAD_BYTES_MAX = 16_384
/** An answer's body is written in such parts, of one buffer. */
const PART_BYTES = 65_536
const part = Buffer.alloc(PART_BYTES, 'd')

export async function startUpstreams(count: number): Promise<Upstreams> {
  const open = new Set<Socket>()
  let answered = 0
  let bodyBytes = 0

  function serve(socket: Socket, cell: number): OnRead {
    const answer = answerText(cell)
    let head = ''
    let bodyLeft = 0
    let downloadBytes = 0

    function finish(): void {
      answered++
      if (downloadBytes === 0) socket.write(answer, 'latin1')
      else writeDownload(socket, downloadBytes, cell)
    }

    /** A head in pieces, with a body, or that asks for a large answer. */
    function takePart(bytes: number, buffer: Buffer): void {
      let from = 0
      if (bodyLeft === 0) {
        const before = head.length
        head += buffer.toString('latin1', 0, Math.min(bytes, HEAD_BYTES_MAX))
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) {
          if (head.length > HEAD_BYTES_MAX) throw new Error('a request has no end of its head')
          return
        }
        from = end + 4 - before
        downloadBytes = Number(new RegExp(`^GET ${DOWNLOAD_PREFIX}(\\d+)`).exec(head)?.[1] ?? 0)
        bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
        if (/\r\ntransfer-encoding:/i.test(head)) {
          throw new Error('the proxy chunked a body whose length it was given')
        }
        head = ''
      }
      const taken = bytes - from
      if (taken > bodyLeft) throw new Error(`${taken - bodyLeft} bytes follow a request`)
      bodyLeft -= taken
      bodyBytes += taken
      if (bodyLeft === 0) finish()
    }

    return (bytes, buffer) => {
      const isOrdinary =
        bodyLeft === 0 &&
        head === '' &&
        buffer[0] === 71 /* G */ &&
        buffer[5] !== 98 /* b of /bytes/ */ &&
        buffer[bytes - 1] === LF &&
        buffer[bytes - 2] === CR &&
        buffer[bytes - 3] === LF &&
        buffer[bytes - 4] === CR
      if (!isOrdinary) return takePart(bytes, buffer as Buffer)
      answered++
      socket.write(answer, 'latin1')
    }
  }

  const servers = await Promise.all(
    Array.from({ length: count }, (_, cell) =>
      listen(
        createSharedServer((socket) => {
          open.add(socket)
          socket.once('close', () => open.delete(socket))
          // Health checks and stopping proxies reset connections; a lost answer is seen by the client.
          socket.on('error', () => socket.destroy())
          return serve(socket, cell)
        }),
      ),
    ),
  )
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    get answered() {
      return answered
    },
    get bodyBytes() {
      return bodyBytes
    },
    async stop() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
      for (const socket of open) socket.destroy()
      await Promise.all(closed)
    },
  }
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve(server))
  })
}

/** As many bytes as were asked for, the last one the cell's number, with backpressure. */
function writeDownload(socket: Socket, bytes: number, cell: number): void {
  let left = bytes - 1
  socket.write(
    `HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${bytes}\r\n\r\n`,
  )
  const writeMore = () => {
    while (left > 0) {
      const size = Math.min(left, PART_BYTES)
      left -= size
      if (!socket.write(size === PART_BYTES ? part : part.subarray(0, size))) {
        socket.once('drain', writeMore)
        return
      }
    }
    socket.write(String(cell))
  }
  writeMore()
}
