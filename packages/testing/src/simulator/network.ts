/**
 * The network between places: requests, streams and connection attempts, as `fetch` and `net.connect` see them.
 *
 * A link goes one way, from a place to a place. It is whole (answers within a millisecond), poor (late by up to so much,
 * so that what was sent first may come last; and now and then never), or cut. What is lost is silence, as on a real
 * network: the sender waits for its own deadline. What meets a dead process is refused, what was under way at one that
 * dies is reset.
 */

import type { LightSignal } from './takeover.ts'
import type { Place, Process, World } from './world.ts'

export type Asked = {
  method: string
  path: string
  headers: Record<string, string>
  /** Text, or the value that it would be parsed to. */
  body: unknown
  from: Place
}
export type Answer = {
  status: number
  headers?: Record<string, string>
  text?: string
  open?: (stream: ServerStream) => void
}
/** Server-sent events; a write to a stream that is gone says so. */
export type ServerStream = { write(text: string): boolean }
/** An answer at once, or a promise of one. It runs as the process that listens. */
export type Handler = (asked: Asked) => Answer | Promise<Answer>

export type Link = { isCut: boolean; lateMs: number; lossShare: number }

export type Network = ReturnType<typeof createNetwork>

const LATENCY_MS = { least: 0.2, most: 1 }
/** The kernel's patience with a connection that nobody answers, where the caller has none of its own. */
const CONNECT_GIVES_UP_MS = 120_000

/** As an AbortSignal has it. One for all: to make one costs a stack trace, and nobody looks at that. */
export const TIME_IS_UP = new DOMException('the time is up', 'TimeoutError')

type Listening = { process: Process; handler: Handler }
type Init = { method?: string; headers?: Record<string, string>; body?: unknown; signal?: LightSignal }

export function createNetwork(world: World) {
  const random = world.random.fork('network')
  const links = new Map<string, Link>()
  const listening = new Map<Place, Listening>()
  /** What waits for an answer of a process, or reads its stream: told when it dies. */
  const waiting = new Map<Process, Set<() => void>>()

  /** An address in front of several places: who of them answers now. */
  const aliases = new Map<string, (method: string) => Place>()

  const linkOf = (from: Place, to: Place) => (links.size === 0 ? undefined : links.get(`${from}>${to}`))

  /** Delivers once, or never. */
  function send(from: Place, to: Place, owner: Process, deliver: () => void): boolean {
    const link = linkOf(from, to)
    if (link && (link.isCut || (link.lossShare > 0 && random.chance(link.lossShare)))) return false
    const late = link && link.lateMs > 0 ? random.between(0, link.lateMs) : 0
    world.schedule(owner, random.between(LATENCY_MS.least, LATENCY_MS.most) + late, deliver)
    return true
  }

  function waitFor(owner: Process, tell: () => void): () => void {
    let set = waiting.get(owner)
    if (!set) {
      set = new Set()
      waiting.set(owner, set)
    }
    set.add(tell)
    return () => void set.delete(tell)
  }

  function fetch(input: string | URL, init: Init = {}): Promise<ReturnType<typeof responseOf>> {
    const { place: named, path } = addressOf(input)
    const to = aliases.get(named)?.(init.method ?? 'GET') ?? named
    const client = world.current()
    const { signal } = init
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      let isSettled = false
      const settle = (finish: () => void) => {
        if (isSettled) return
        isSettled = true
        signal?.removeEventListener('abort', onAbort)
        finish()
      }
      const onAbort = () => settle(() => reject(signal?.reason))
      signal?.addEventListener('abort', onAbort)
      const deadline = signal?.deadline ?? Number.POSITIVE_INFINITY
      const giveUpInTime = () => {
        const isTimed = Number.isFinite(deadline)
        world.schedule(client, isTimed ? deadline - world.now() : CONNECT_GIVES_UP_MS, () =>
          settle(() => reject(isTimed ? TIME_IS_UP : failure('ETIMEDOUT'))),
        )
      }
      const refuse = (code: string) => settle(() => reject(failure(code)))

      const answer = (server: Process, given: Answer) => {
        const isSent = send(to, client.place, client, () => {
          if (world.now() >= deadline) return onAbort()
          settle(() => resolve(responseOf(given, server, client)))
        })
        if (!isSent) giveUpInTime()
      }
      const isSent = send(client.place, to, world.outside, () => {
        const target = listening.get(to)
        if (!target?.process.isAlive) {
          if (!send(to, client.place, client, () => refuse('ECONNREFUSED'))) world.as(client, giveUpInTime)
          return
        }
        const { process: server, handler } = target
        const asked: Asked = {
          method: init.method ?? 'GET',
          path,
          headers: init.headers ?? {},
          body: init.body ?? '',
          from: client.place,
        }
        // The handler's timers and promises are the server's.
        world.schedule(server, 0, () => {
          const given = handler(asked)
          if (!(given instanceof Promise)) return answer(server, given)
          const forget = waitFor(server, () => {
            if (!send(to, client.place, client, () => refuse('ECONNRESET'))) giveUpInTime()
          })
          if (Number.isFinite(deadline)) giveUpInTime()
          given.then(
            (value) => {
              forget()
              answer(server, value)
            },
            (error: Error) => {
              forget()
              answer(server, { status: 500, text: error.message })
            },
          )
        })
      })
      if (!isSent) giveUpInTime()
    })
  }

  function responseOf(given: Answer, server: Process, client: Process) {
    const { status, headers = {}, text = '', open } = given
    return {
      status,
      ok: status >= 200 && status < 300,
      headers: { get: (name: string) => headers[name] ?? null },
      text: async () => text,
      body: open ? openStream(server, client, open) : bodyOf(text),
    }
  }

  function openStream(server: Process, client: Process, open: (stream: ServerStream) => void) {
    const chunks: (Uint8Array | null)[] = []
    let isGone = false
    let wake = () => {}
    const arrive = (chunk: Uint8Array | null) => {
      chunks.push(chunk)
      wake()
    }
    const forget = waitFor(server, () => {
      isGone = true
      // The reset is lost where the link is cut: the reader's own patience ends it.
      send(server.place, client.place, client, () => arrive(null))
    })
    world.schedule(server, 0, () =>
      open({
        write(text) {
          if (isGone || !client.isAlive) return false
          isGone = !send(server.place, client.place, client, () => arrive(Buffer.from(text)))
          if (isGone) forget()
          return !isGone
        },
      }),
    )
    return {
      cancel: async () => {
        isGone = true
        forget()
      },
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            while (chunks.length === 0) {
              const { promise, resolve } = Promise.withResolvers<void>()
              wake = resolve
              await promise
            }
            const chunk = chunks.shift()!
            if (chunk === null) return
            yield chunk
          }
        } finally {
          isGone = true
          forget()
        }
      },
    }
  }

  /** As `http.request`, as far as a request is made with it whose answer is read to its end or left. */
  function request(
    url: string,
    init: Init,
    onAnswer: (answer: object) => void,
  ): { on(event: 'error', listener: (error: Error) => void): void; end(body?: string): void } {
    let onError = (_error: Error) => {}
    return {
      on(_event, listener) {
        onError = listener
      },
      end(body) {
        fetch(url, { ...init, body }).then(
          ({ status, headers, body: parts }) =>
            onAnswer({
              statusCode: status,
              headers: { etag: headers.get('etag') ?? undefined },
              resume() {},
              destroy: () => void parts.cancel(),
              [Symbol.asyncIterator]: () => parts[Symbol.asyncIterator](),
            }),
          (error: Error) => onError(error.cause instanceof Error ? error.cause : error),
        )
      },
    }
  }

  /** As `net.connect`, for those who only want to know whether somebody listens. */
  function connect({ host, timeout }: { host: string; timeout: number }) {
    const client = world.current()
    const listeners = new Map<string, (value?: unknown) => void>()
    const socket = {
      on(event: string, listener: (value?: unknown) => void) {
        listeners.set(event, listener)
        return socket
      },
      once: (event: string, listener: (value?: unknown) => void) => socket.on(event, listener),
      destroy() {
        listeners.clear()
      },
    }
    const say = (event: string, value?: unknown) => listeners.get(event)?.(value)
    const isSent = send(client.place, host, client, () => {
      if (listening.get(host)?.process.isAlive) say('connect')
      else say('error', failure('ECONNREFUSED').cause)
    })
    if (!isSent) world.schedule(client, timeout, () => say('timeout'))
    return socket
  }

  return {
    fetch,
    request,
    connect,
    send,
    alias(name: string, place: (method: string) => Place): void {
      aliases.set(name, place)
    },
    listen(owner: Process, handler: Handler): void {
      listening.set(owner.place, { process: owner, handler })
    },
    /** Whether messages pass both ways. */
    isWhole: (a: Place, b: Place): boolean => !linkOf(a, b)?.isCut && !linkOf(b, a)?.isCut,
    /** Both ways; null makes the link whole again. */
    setLink(a: Place, b: Place, link: Link | null): void {
      for (const key of [`${a}>${b}`, `${b}>${a}`]) {
        if (link) links.set(key, link)
        else links.delete(key)
      }
    },
    /** The process is gone, all at once; who waits for it is told by the network. */
    kill(owner: Process): void {
      owner.isAlive = false
      const told = waiting.get(owner)
      waiting.delete(owner)
      for (const tell of told ?? []) world.as(world.outside, tell)
    },
  }
}

/** `http://cell-001.sim:80/healthz` → `cell-001.sim`, `/healthz`. Cheaper than a URL, and asked for with every message. */
function addressOf(input: string | URL): { place: Place; path: string } {
  const text = typeof input === 'string' ? input : input.href
  const start = text.indexOf('//') + 2
  const slash = text.indexOf('/', start)
  const authority = slash < 0 ? text.slice(start) : text.slice(start, slash)
  const colon = authority.indexOf(':')
  return {
    place: colon < 0 ? authority : authority.slice(0, colon),
    path: slash < 0 ? '/' : text.slice(slash),
  }
}

/** As undici fails: the reason is the cause. */
function failure(code: string): Error {
  return Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) })
}

function bodyOf(text: string) {
  return {
    cancel: async () => {},
    async *[Symbol.asyncIterator]() {
      if (text !== '') yield Buffer.from(text)
    },
  }
}
