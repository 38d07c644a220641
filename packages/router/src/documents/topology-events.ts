/**
 * The control plane's push: a stream of server-sent events that say "there is something newer". They carry no
 * document, so a lost or forged one costs a request and nothing else.
 *
 *     connecting ──(200)──▶ open ──(end, error, silence)──▶ waiting ──(backoff)──▶ connecting
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ROUTER_HEADER } from '@cellplane/contract'
import { createParser } from 'eventsource-parser'
import type { Logger } from '../log.ts'
import { request } from '../node-http.ts'

/** The control plane pings every few seconds; after this much silence the connection is presumed dead. */
const SILENCE_MAX_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000

/** Doubling from the first to the last, each wait drawn from [half, whole], so that routers do not return in step. */
const BACKOFF_MS = { first: 250, last: 10_000 }

/** An event is `{epoch, version}`; this leaves room for what later versions may add. */
const EVENT_CHARS_MAX = 16_384

/**
 * What a stream may bring: so much at once, and so much a second. That is a thousand events a second, which no fleet has;
 * one that sends as fast as it is read would have the process do nothing else.
 */
const STREAM_BYTES = { burst: 1024 * 1024, perSecond: 64 * 1024 }

export type TopologyEventsOptions = {
  url: string
  bearerToken: string
  /** Who asks: which base is news depends on it. */
  router: string
  log: Logger
  signal: AbortSignal
  /** Called for each event, and whenever the stream was opened: what happened before that was missed. */
  onNews(): void
}

/** Follows the stream until `signal` aborts; resolves then. Never rejects. */
export async function followTopologyEvents(options: TopologyEventsOptions): Promise<void> {
  const { signal, log } = options
  let backoffMs = BACKOFF_MS.first
  let isLogged = false
  while (!signal.aborted) {
    try {
      await readStream(options, () => {
        backoffMs = BACKOFF_MS.first
        isLogged = false
      })
    } catch (error) {
      if (!isLogged && !signal.aborted) {
        log.warn('the topology’s events are not received; polling goes on', { why: (error as Error).message })
        isLogged = true
      }
    }
    await delay(backoffMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MS.last)
  }
}

/** Returns when the stream ends; throws when it breaks. */
async function readStream(options: TopologyEventsOptions, onHealthy: () => void): Promise<void> {
  const { url, bearerToken, onNews } = options
  const abandon = new AbortController()
  const abandonAfter = (ms: number) =>
    setTimeout(() => abandon.abort(new Error(`${url} was silent for ${ms} ms`)), ms)
  let silence = abandonAfter(CONNECT_TIMEOUT_MS)
  try {
    const response = await request(url, {
      method: 'GET',
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${bearerToken}`,
        [ROUTER_HEADER]: encodeURIComponent(options.router),
      },
      signal: AbortSignal.any([options.signal, abandon.signal]),
    })
    if (response.status !== 200) {
      response.discard()
      throw new Error(`${url} answered ${response.status}`)
    }
    clearTimeout(silence)
    silence = abandonAfter(SILENCE_MAX_MS)
    onNews()
    const parser = createParser({
      maxBufferSize: EVENT_CHARS_MAX,
      onEvent: ({ event }) => {
        if (event === 'base' || event === 'overlay') onNews()
      },
    })
    const decoder = new TextDecoder()
    const openedAt = performance.now()
    let bytes = 0
    for await (const chunk of response.body) {
      clearTimeout(silence)
      silence = abandonAfter(SILENCE_MAX_MS)
      bytes += chunk.length
      const bytesMax = STREAM_BYTES.burst + ((performance.now() - openedAt) / 1000) * STREAM_BYTES.perSecond
      if (bytes > bytesMax) {
        throw new Error(`${url} floods: ${bytes} bytes; expected at most ${STREAM_BYTES.perSecond} a second`)
      }
      onHealthy()
      parser.feed(decoder.decode(chunk, { stream: true }))
    }
  } finally {
    clearTimeout(silence)
  }
}
