/**
 * What a customer of the notification service uses. It runs in browsers and knows no topology: it talks to the routers, and where
 * a tenant's records are spread over its cells, it asks each of them and puts the answers together.
 *
 *     const client = new NotificationsClient({ url: 'http://127.0.0.1:7480', token })
 *     const { id } = await client.send({ channel: 'email', to: 'ada@example.org', subject: 'Hello', body: 'It works.' })
 *
 * Every method throws NotificationsError with the API's code, or NO_ANSWER.
 */
import { type CallOptions, call, NotificationsError } from './call.ts'
import { type CellPage, decodePositions, encodePositions, mergePages } from './merge-pages.ts'
import { type NamedTemplate, nameTemplate, type Template } from './template-id.ts'

export type Channel = 'email' | 'sms' | 'push'

export type NewMessage = {
  channel: Channel
  to: string
  /** Either a body (with a subject for e-mail and push), or a template and its data. */
  subject?: string
  body?: string
  template?: Template
  data?: Record<string, string | number | boolean>
  /** ISO 8601. What is not delivered by then expires. */
  deliver_before?: string
}

export type SentNotification = { id: string; status: 'queued' }

export type NotificationSummary = {
  id: string
  channel: Channel
  to: string
  subject: string | null
  template: string | null
  status: 'queued' | 'retrying' | 'delivered' | 'dead_letter' | 'expired'
  created_at: string
  deliver_before: string | null
  finished_at: string | null
}

export type DeliveryAttempt = {
  number: number
  started_at: string
  duration_ms: number
  outcome: 'delivered' | 'failed' | 'refused'
  detail: string
}

export type NotificationList = {
  /** Newest first, over all cells that answered. */
  items: NotificationSummary[]
  /** Cursor of the next page; null at the end of what can be reached. */
  next: string | null
  /** True when this page ends the list and every cell answered. */
  complete: boolean
  /** Cells that did not answer; what they hold is not in this page. */
  unreachable: string[]
}

export type ClientOptions = Pick<CallOptions, 'url' | 'token'> & { fetch?: typeof fetch }

type RawList = {
  items: NotificationSummary[]
  next: string | null
  cells: { answered: string[]; remaining: string[] }
}

const LIMIT_DEFAULT = 50
/** A send that fails over may meet a cell without the template; a shard has at most 8 cells. */
const UPLOADS_MAX = 8

export class NotificationsClient {
  readonly #options: CallOptions

  constructor(options: ClientOptions) {
    this.#options = { fetch: globalThis.fetch.bind(globalThis), ...options }
  }

  /**
   * Resolves when the notification is on a cell's disk. Safe to repeat with the same key: the recipient gets one message, though
   * after the death of a cell two ids may exist for it.
   */
  async send(
    message: NewMessage,
    options: { idempotencyKey?: string; signal?: AbortSignal } = {},
  ): Promise<SentNotification> {
    const { template, ...rest } = message
    const named = template && (await nameTemplate(template))
    const key = options.idempotencyKey ?? crypto.randomUUID()
    const body = JSON.stringify({ ...rest, ...(named ? { template: named.sha256 } : {}) })
    for (let uploads = 0; ; uploads++) {
      try {
        const headers = { 'idempotency-key': key }
        const response = await this.#call('POST', '/v1/notifications', {
          headers,
          body,
          signal: options.signal,
        })
        return (await response.json()) as SentNotification
      } catch (error) {
        if (!named || !isMissingTemplate(error) || uploads === UPLOADS_MAX) throw error
        await this.#upload(named, error.cell, options.signal)
      }
    }
  }

  /** Asks the cell that the id names. CELL_UNAVAILABLE while that cell is down: the notification exists. */
  async get(id: string, signal?: AbortSignal): Promise<NotificationSummary & { body: string }> {
    const response = await this.#call('GET', `/v1/notifications/${encodeURIComponent(id)}`, { signal })
    return (await response.json()) as NotificationSummary & { body: string }
  }

  async attempts(id: string, signal?: AbortSignal): Promise<DeliveryAttempt[]> {
    const response = await this.#call('GET', `/v1/notifications/${encodeURIComponent(id)}/attempts`, {
      signal,
    })
    return ((await response.json()) as { items: DeliveryAttempt[] }).items
  }

  /** One page over all of the tenant's cells. A cell that does not answer is named, and does not fail the others. */
  async list(
    options: { limit?: number; cursor?: string; signal?: AbortSignal } = {},
  ): Promise<NotificationList> {
    const { limit = LIMIT_DEFAULT, cursor, signal } = options
    const first = cursor === undefined ? await this.#page(undefined, null, limit, signal) : undefined
    const wanted = first
      ? first.remaining.map((cell) => [cell, null] as const)
      : Object.entries(decodePositions(cursor!))
    const answers = await Promise.allSettled(
      wanted.map(([cell, from]) => this.#page(cell, from, limit, signal)),
    )
    signal?.throwIfAborted()
    const pages = [first, ...answers.map((a) => (a.status === 'fulfilled' ? a.value : undefined))]
    const reached = pages.filter((page) => page !== undefined)
    const unreachable = wanted.filter((_, i) => answers[i]?.status === 'rejected')
    const { items, positions } = mergePages(reached, limit)
    // A cell that is down is asked again for the next page, but a next page is worth asking for only if others have more.
    const hasMore = Object.keys(positions).length > 0
    const next = hasMore ? encodePositions({ ...positions, ...Object.fromEntries(unreachable) }) : null
    return {
      items,
      next,
      complete: next === null && unreachable.length === 0,
      unreachable: unreachable.map(([cell]) => cell),
    }
  }

  async #page(
    cell: string | undefined,
    from: string | null,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<CellPage<NotificationSummary> & { remaining: string[] }> {
    const query = new URLSearchParams({ limit: String(limit), ...(from === null ? {} : { cursor: from }) })
    const response = await this.#call('GET', `/v1/notifications?${query}`, { cell, signal })
    const { items, next, cells } = (await response.json()) as RawList
    return { cell: cell ?? cells.answered[0]!, from, items, next, remaining: cells.remaining }
  }

  async #upload(
    { sha256, content }: NamedTemplate,
    cell: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#call('PUT', `/v1/templates/${sha256}`, { cell, body: content, signal })
  }

  #call(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    more: {
      cell?: string | undefined
      headers?: Record<string, string>
      body?: string
      signal?: AbortSignal | undefined
    },
  ): Promise<Response> {
    return call(this.#options, { method, path, ...more })
  }
}

function isMissingTemplate(error: unknown): error is NotificationsError {
  return error instanceof NotificationsError && error.code === 'TEMPLATE_MISSING'
}
