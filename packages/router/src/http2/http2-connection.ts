/**
 * One client that speaks HTTP/2: a session of Node's, bounded on all sides, whose streams are served as connections of
 * one request each.
 *
 *     waiting ◀──(last stream over / a stream)──▶ serving
 *        └──(idle too long)──▶ leaving ──(a moment)──▶ closed
 *     any ──(more resets than a client needs)──▶ closed, with ENHANCE_YOUR_CALM
 *     any ──(the router stops)──▶ GOAWAY, and closed once it is idle
 *
 * A stream that is reset as soon as it is opened costs its sender nothing and a server a request: clients that do so
 * many times a second are told to go (CVE-2023-44487). nghttp2 has a limit of its own behind this one, and others against
 * floods of frames that are answered.
 */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { ListenTls } from '../config.ts'
import { ClientConnection } from '../serve/client-connection.ts'
import type { Client, ServeDeps } from '../serve/deps.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import type { TlsCounters } from '../tls/tls-listener.ts'
import { formatRequestText } from './request-text.ts'
import { StreamSocket } from './stream-socket.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_FLAG_END_STREAM } =
  constants

/** Frames that are no HTTP/2: a client that sends a few is broken, one that sends more is at war. */
const INVALID_FRAMES_MAX = 50
/** Streams beyond `http2_streams_max`; a client may not know the limit yet when it opens its first ones. */
const REJECTED_STREAMS_MAX = 200
/** What a client may send of one body before it is told to go on: a gigabit at 2 ms, 40 Mbit/s at 50 ms. */
const STREAM_WINDOW_BYTES = 256 * 1024
/** Of one session in Node and nghttp2, in MB; beyond it streams are refused. */
const SESSION_MEMORY_MB = 16
/** RFC 9113, section 6.8: says that a GOAWAY is coming without refusing what is on its way. */
const LAST_STREAM_ID_MAX = 2 ** 31 - 1
/** A client that was told to go has so long to close its side. */
const LEAVING_MS = 1_000
const SECOND_MS = 1_000

export class Http2Connection implements Client {
  deadline: number
  readonly #deps: ServeDeps
  readonly #socket: TLSSocket
  readonly #tls: ClientTls
  readonly #counters: TlsCounters
  readonly #resetsPerSecondMax: number
  readonly #session: ServerHttp2Session
  readonly #streams = new Set<ClientConnection>()
  #isLeaving = false
  #secondStartedAt = 0
  #resets = 0

  constructor(
    deps: ServeDeps,
    socket: TLSSocket,
    tls: ClientTls,
    settings: ListenTls,
    counters: TlsCounters,
  ) {
    this.#deps = deps
    this.#socket = socket
    this.#tls = tls
    this.#counters = counters
    this.#resetsPerSecondMax = settings.http2_resets_per_second_max
    this.deadline = deps.deadlines.now + deps.limits.client_idle_timeout_ms
    this.#session = performServerHandshake(socket, {
      maxSessionInvalidFrames: INVALID_FRAMES_MAX,
      maxSessionRejectedStreams: REJECTED_STREAMS_MAX,
      maxSessionMemory: SESSION_MEMORY_MB,
      // Behind our own limit, which tells clients why.
      streamResetBurst: 2 * this.#resetsPerSecondMax,
      streamResetRate: 2 * this.#resetsPerSecondMax,
      // What a cell says twice is passed on twice, as over HTTP/1.1.
      strictSingleValueFields: false,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxConcurrentStreams: settings.http2_streams_max,
        maxHeaderListSize: deps.limits.header_bytes_max,
      },
    })
    this.#session.on('stream', (stream, _headers, flags, fields) => this.#onStream(stream, flags, fields))
    // 'close' of the socket follows, and says the rest.
    this.#session.on('error', () => {})
    socket.on('error', () => {})
    // The public port's sockets may be half-open, which HTTP/2 has no use for: a client that ends is gone.
    socket.on('end', () => this.destroy())
    socket.on('close', () => {
      deps.deadlines.forget(this)
      deps.onClientClosed(this)
    })
    deps.deadlines.watch(this)
    if (deps.isStopping) this.askToLeave()
  }

  get isIdle(): boolean {
    return this.#streams.size === 0
  }

  askToLeave(): void {
    if (this.#session.destroyed) return
    this.#session.goaway(NGHTTP2_NO_ERROR, LAST_STREAM_ID_MAX)
    for (const stream of this.#streams) stream.askToLeave()
  }

  leaveLeavingCell(): void {
    for (const stream of this.#streams) stream.leaveLeavingCell()
  }

  destroy(): void {
    if (!this.#session.destroyed) this.#session.destroy()
    this.#socket.destroy()
  }

  onDeadline(): void {
    if (this.#isLeaving) return this.destroy()
    this.#isLeaving = true
    this.deadline = this.#deps.deadlines.now + LEAVING_MS
    this.#session.close()
  }

  #onStream(stream: ServerHttp2Stream, flags: number, fields: readonly string[]): void {
    let socket: StreamSocket | undefined
    // Whatever ends it, 'close' says the rest; without a listener an error would end the process.
    stream.on('error', () => {})
    stream.once('close', () => {
      if (stream.rstCode !== NGHTTP2_NO_ERROR && !socket?.isCut) this.#countReset()
    })
    const isEnded = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    // Opened and reset in one breath: nobody waits for an answer.
    if (stream.aborted || stream.closed || stream.destroyed) return
    const request = formatRequestText(fields, isEnded)
    if (typeof request === 'string') {
      this.#deps.traffic.countRefusal('INVALID_REQUEST')
      return stream.close(NGHTTP2_PROTOCOL_ERROR)
    }
    const client = new ClientConnection(
      this.#deps,
      ({ receive }) => {
        socket = new StreamSocket(
          stream,
          receive,
          request.text.startsWith('HEAD '),
          this.#socket.remoteAddress,
        )
        return socket
      },
      this.#tls,
    )
    this.#streams.add(client)
    this.deadline = Number.POSITIVE_INFINITY
    stream.once('close', () => this.#onStreamClosed(client))
    socket!.begin(request, isEnded)
  }

  #onStreamClosed(client: ClientConnection): void {
    this.#streams.delete(client)
    if (this.#streams.size > 0) return
    const { deadlines, limits } = this.#deps
    this.deadline = deadlines.now + (this.#isLeaving ? LEAVING_MS : limits.client_idle_timeout_ms)
  }

  /** By the client, or by nghttp2 for what the client sent. */
  #countReset(): void {
    const { now } = this.#deps.deadlines
    if (now - this.#secondStartedAt >= SECOND_MS) {
      this.#secondStartedAt = now
      this.#resets = 0
    }
    if (++this.#resets <= this.#resetsPerSecondMax || this.#session.destroyed) return
    this.#counters.resetFloods++
    this.#session.destroy(new Error('too many streams were reset'), NGHTTP2_ENHANCE_YOUR_CALM)
  }
}
