/**
 * Alerts on their way out: each webhook is told of each cell by itself, so that a page names one cell, and what is told late
 * about one keeps nothing back about another.
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

/** One webhook's. Bounded by the number of cells. */
function startOutbox(webhook: Webhook, options: WebhooksOptions, stopping: AbortSignal) {
  const { fleet, logger, steadyNow, retryMs = RETRY_MS } = options
  const waiting = new Map<string, Waiting>()
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
      return (error as Error).message
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

  async function run(): Promise<void> {
    while (!stopping.aborted) {
      const [next] = [...waiting].sort(([, a], [, b]) => a.dueAt - b.dueAt)
      const ms = next ? next[1].dueAt - steadyNow() : RETRY_MS_MAX
      if (!next || ms > 0) {
        await bell.wait(ms, stopping)
        continue
      }
      const [cell, entry] = next
      waiting.delete(cell)
      const why = await send(cell, entry)
      if (why !== null && !stopping.aborted) again(cell, entry, why)
    }
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
