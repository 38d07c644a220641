/**
 * The control plane's server-sent events: it says that there is a new document, and the follower fetches it.
 *
 * An event is a hint and never the news itself, so a lost one costs only the time until the next poll. The connection is
 * made again for as long as the follower lives, at growing intervals and never all at once: after a restart of the
 * control plane its followers must not arrive in one wave.
 */
import { TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { reasonOf } from '../fetch-failure.ts'
import { pause } from '../pause.ts'

export type TopologyEvent = { document: 'base' | 'overlay'; epoch: number; version: number }

export type FollowOptions = {
  /** The control plane's. */
  url: string
  token: string
  fetch?: typeof fetch
  /** Must not throw. */
  onEvent(event: TopologyEvent): void
  /** Each time a connection stands: whatever happened before was not seen. */
  onConnected?(): void
  /** Each time one failed or broke, with why, before the next try. */
  onDisconnected?(why: string): void
  /** First wait between two connections; doubles up to 40 times itself. For tests. */
  retryMs?: number
}

const RETRY_MS = 250
const RETRY_GROWTH_MAX = 40
/** Connection and answer head. */
const CONNECT_TIMEOUT_MS = 5_000
/** The control plane sends `: ping` every few seconds; a connection that is silent for so long is dead though nobody said so. */
const SILENCE_MAX_MS = 30_000
/** An event has less than 100 characters; a line that never ends is an attack or a mistake. */
const EVENT_CHARACTERS_MAX = 64 * 1024

/** Follows until `stop()`, which resolves when nothing is left under way. */
export function followTopologyEvents(options: FollowOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const done = follow(options, stopping.signal)
  return {
    stop() {
      stopping.abort()
      return done
    },
  }
}

async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const firstMs = options.retryMs ?? RETRY_MS
  let waitMs = firstMs
  while (!signal.aborted) {
    try {
      await readConnection(options, signal, () => {
        waitMs = firstMs
        options.onConnected?.()
      })
      if (!signal.aborted) options.onDisconnected?.('the control plane ended the connection')
    } catch (error) {
      if (!signal.aborted) options.onDisconnected?.(reasonOf(error))
    }
    // Half of it by chance, so that followers that lost the same connection come back one after the other.
    await pause(waitMs * (0.5 + Math.random() / 2), signal)
    waitMs = Math.min(waitMs * 2, firstMs * RETRY_GROWTH_MAX)
  }
}

async function readConnection(
  { url, token, fetch: fetchWith = fetch, onEvent }: FollowOptions,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<void> {
  const watch = createSilenceWatch(CONNECT_TIMEOUT_MS)
  try {
    const response = await fetchWith(`${url.replace(/\/+$/, '')}${TOPOLOGY_EVENTS_PATH}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      redirect: 'error',
      signal: AbortSignal.any([signal, watch.signal]),
    })
    if (!response.ok || !response.body) {
      await response.body?.cancel()
      throw new Error(`the control plane answered ${response.status}`)
    }
    onConnected()
    const events = response.body
      .pipeThrough(watch.passThrough(SILENCE_MAX_MS))
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ maxBufferSize: EVENT_CHARACTERS_MAX }))
      .getReader()
    for (;;) {
      const { done, value } = await events.read()
      if (done) return
      const event = parseEvent(value.event, value.data)
      if (event) onEvent(event)
    }
  } finally {
    watch.stop()
  }
}

/** What is not an event of ours is passed over: a newer control plane may send more kinds. */
function parseEvent(document: string | undefined, data: string): TopologyEvent | undefined {
  if (document !== 'base' && document !== 'overlay') return undefined
  try {
    const { epoch, version } = JSON.parse(data) as { epoch?: unknown; version?: unknown }
    return typeof epoch === 'number' && typeof version === 'number' ? { document, epoch, version } : undefined
  } catch {
    return undefined
  }
}

/** Aborts its signal when nothing came for a while; every chunk that passes through it counts as a sign of life. */
function createSilenceWatch(firstMs: number) {
  const silence = new AbortController()
  const expire = (afterMs: number) =>
    setTimeout(
      () => silence.abort(new Error(`heard nothing from the control plane for ${afterMs} ms`)),
      afterMs,
    )
  let timer = expire(firstMs)
  return {
    signal: silence.signal,
    passThrough(nextMs: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
      clearTimeout(timer)
      timer = expire(nextMs)
      return new TransformStream({
        transform(chunk, controller) {
          clearTimeout(timer)
          timer = expire(nextMs)
          controller.enqueue(chunk)
        },
      })
    },
    stop: () => clearTimeout(timer),
  }
}
