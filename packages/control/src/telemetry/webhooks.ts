/**
 * Alerts on their way out: each webhook is told of each cell by itself, so that a page names one cell. Of a cell one
 * notification is under way at a time, so that its end does not overtake its beginning; of a webhook eight. What waits to be
 * tried again keeps none of these places, and webhooks have nothing to do with each other.
 *
 *     changed ──▶ waiting (by cell, the newest state and all that ended since) ──▶ sent
 *                    ▲                                            │ no 2xx
 *                    └────────── later, twice as long each time ──┘  given up after some minutes, and said in the log
 */
import type { Logger } from 'pino'
import { createBell } from '../bell.ts'
import { type Alert, type Alerts, alertKey, resolvedAlerts } from './alerts.ts'
import { type CellAlerts, mergeAlerts, notificationOf } from './notification.ts'

export type Webhook = { url: string; token: string | undefined }

export type WebhooksOptions = {
  fleet: string
  webhooks: readonly Webhook[]
  logger: Pick<Logger, 'error'>
  /** Ms that never step back. */
  steadyNow(): number
  /** Until the second attempt; doubled for each further one. Tests shorten it. */
  retryMs?: number
}

const SEND_TIMEOUT_MS = 5_000
/** Notifications under way at one webhook: one that hangs costs a place for five seconds. */
const AT_ONCE_MAX = 8
const RETRY_MS = 1_000
/** With waits that double up to a minute, some five minutes. */
const ATTEMPTS_MAX = 10
const RETRY_MS_MAX = 60_000
const NOTHING: CellAlerts = { firing: [], resolved: [] }

type Waiting = { alerts: CellAlerts; attempts: number; dueAt: number }

export type Webhooks = ReturnType<typeof startWebhooks>

export function startWebhooks(options: WebhooksOptions) {
  const stopping = new AbortController()
  const outboxes = options.webhooks.map((webhook) => startOutbox(webhook, options, stopping.signal))

  return {
    /** Takes up what changed, `at` in ms since the epoch; returns at once. */
    tell(before: Alerts, after: Alerts, at: number): void {
      for (const [cell, alerts] of changedCells(before, after, at)) {
        for (const outbox of outboxes) outbox.put(cell, alerts)
      }
    },
    /** What waits is not sent any more: whoever leads next says again what fires. */
    async stop(): Promise<void> {
      stopping.abort()
      await Promise.all(outboxes.map(({ ended }) => ended))
    },
  }
}

/** What receivers are to know of the cells of which something fires anew or has ended. */
export function changedCells(before: Alerts, after: Alerts, at: number): Map<string, CellAlerts> {
  const ended = resolvedAlerts(before, after).map((alert) => ({ ...alert, until: at }))
  const fresh = [...after.values()].filter((alert) => !before.has(alertKey(alert)))
  const of = <T extends Alert>(cell: string, alerts: Iterable<T>): T[] =>
    [...alerts].filter((alert) => alert.cell === cell)
  return new Map(
    [...new Set([...fresh, ...ended].map(({ cell }) => cell))].map((cell) => [
      cell,
      { firing: of(cell, after.values()), resolved: of(cell, ended) },
    ]),
  )
}

/** What is in a message of fetch may be the URL, or come from the receiver: a word is logged. */
function whyNot(error: Error): string {
  if (error.name === 'TimeoutError') return `no answer within ${SEND_TIMEOUT_MS / 1_000} s`
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException
  return typeof code === 'string' ? code : 'no answer'
}

/** One webhook's. Bounded by the number of cells. */
function startOutbox(webhook: Webhook, options: WebhooksOptions, stopping: AbortSignal) {
  const { fleet, logger, steadyNow, retryMs = RETRY_MS } = options
  const waiting = new Map<string, Waiting>()
  const underWay = new Map<string, Promise<void>>()
  const bell = createBell()

  async function send(cell: string, { alerts }: Waiting): Promise<string | null> {
    try {
      const response = await fetch(webhook.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(webhook.token === undefined ? {} : { authorization: `Bearer ${webhook.token}` }),
        },
        body: JSON.stringify(notificationOf(fleet, cell, alerts)),
        redirect: 'error',
        signal: AbortSignal.any([stopping, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
      })
      await response.body?.cancel()
      return response.ok ? null : `answered ${response.status}`
    } catch (error) {
      return whyNot(error as Error)
    }
  }

  function again(cell: string, tried: Waiting, why: string): void {
    const attempts = tried.attempts + 1
    const newer = waiting.get(cell)
    if (newer) {
      // What changed meanwhile is sent at its own time, with what was not delivered.
      newer.alerts = mergeAlerts(tried.alerts, newer.alerts)
    } else if (attempts < ATTEMPTS_MAX) {
      const wait = Math.min(RETRY_MS_MAX, retryMs * 2 ** (attempts - 1))
      waiting.set(cell, { ...tried, attempts, dueAt: steadyNow() + wait })
    } else {
      logger.error({ cell, origin: new URL(webhook.url).origin, why, attempts }, 'an alert was not delivered')
    }
  }

  async function deliver(cell: string, entry: Waiting): Promise<void> {
    waiting.delete(cell)
    const why = await send(cell, entry)
    if (why !== null && !stopping.aborted) again(cell, entry, why)
    underWay.delete(cell)
    bell.ring()
  }

  /** The one that is due first, or undefined while there is no place for it. */
  function next(): [cell: string, entry: Waiting] | undefined {
    if (underWay.size >= AT_ONCE_MAX) return undefined
    const [first] = [...waiting]
      .filter(([cell]) => !underWay.has(cell))
      .sort(([, a], [, b]) => a.dueAt - b.dueAt)
    return first
  }

  async function run(): Promise<void> {
    while (!stopping.aborted) {
      const first = next()
      const ms = first ? first[1].dueAt - steadyNow() : RETRY_MS_MAX
      if (first && ms <= 0) underWay.set(first[0], deliver(...first))
      else await bell.wait(ms, stopping)
    }
    await Promise.all(underWay.values())
  }

  return {
    put(cell: string, alerts: CellAlerts): void {
      const before = waiting.get(cell)?.alerts ?? NOTHING
      waiting.set(cell, { alerts: mergeAlerts(before, alerts), attempts: 0, dueAt: steadyNow() })
      bell.ring()
    },
    ended: run(),
  }
}
