/**
 * Push: server-sent events of new documents (`TOPOLOGY_EVENTS_PATH`).
 *
 * An event says only which version there is; the document is fetched. So a subscriber that is slow or was away misses
 * nothing: what it gets next is the newest, and nothing queues up for it.
 */
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Published } from '../topology/published.ts'

/** Open streams. Routers and operators of a fleet stay far below; each costs a socket and a few kB. */
export const SUBSCRIBERS_MAX = 256

export type TopologyEvents = ReturnType<typeof createTopologyEvents>

export function createTopologyEvents(published: Published, pingMs: number, stopping: AbortSignal) {
  let subscribers = 0
  return {
    count: () => subscribers,
    /** Undefined when there are too many subscribers. */
    subscribe(c: Context, router?: string): Response | undefined {
      if (subscribers >= SUBSCRIBERS_MAX) return undefined
      subscribers++
      return streamSSE(c, async (stream) => {
        const gone = new AbortController()
        stream.onAbort(() => gone.abort())
        const signal = AbortSignal.any([gone.signal, stopping])
        const told: Record<string, string> = {}
        try {
          while (!signal.aborted) {
            let isNews = false
            for (const [event, held] of [
              ['base', published.baseFor(router)],
              ['overlay', published.overlay()],
            ] as const) {
              if (!held || told[event] === held.etag) continue
              told[event] = held.etag
              isNews = true
              const { epoch, version } = held
              await stream.writeSSE({ event, data: JSON.stringify({ epoch, version }) })
            }
            // A ping finds out that the other side is gone, and tells it that this one is not.
            if (!isNews) await stream.write(': ping\n\n')
            await published.changed.wait(pingMs, signal)
          }
        } finally {
          subscribers--
        }
      })
    },
  }
}
