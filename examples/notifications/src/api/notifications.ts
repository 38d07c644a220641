/** /v1/notifications: send, list, read, attempts. Whose they are comes from admission, never from the request itself. */
import { type Admitted, type Cell, HEADERS } from '@cellplane/cell'
import type { CellEnv } from '@cellplane/cell/hono'
import { type Context, Hono } from 'hono'
import { deliveryKey } from '../notification/delivery-key.ts'
import { fillTemplate } from '../notification/fill-template.ts'
import {
  digestOf,
  IDEMPOTENCY_KEY,
  type SendRequest,
  sendRequestSchema,
  templateSchema,
} from '../notification/send-request.ts'
import { type Accepted, accept, findRepeated } from '../store/accept.ts'
import type { Database } from '../store/database.ts'
import { queueSpan } from '../store/queue-span.ts'
import { getNotification, listAttempts, listNotifications } from '../store/read.ts'
import { getTemplate } from '../store/templates.ts'
import { parseJson, readJson } from './body.ts'
import type { Load } from './load.ts'
import { idempotencyKeyReused, refuse, templateMissing } from './problems.ts'

export type NotificationsParts = { cell: Cell; database: Database; load: Load; wake: () => void }

const LIMIT_DEFAULT = 50
/** A page of this size is some 50 KB. */
const LIMIT_MAX = 200
/** An id has 37 characters; a cursor is one. */
const CURSOR = /^[a-z0-9_]{1,64}$/

export function notificationRoutes({ cell, database, load, wake }: NotificationsParts): Hono<CellEnv> {
  const routes = new Hono<CellEnv>()

  /** 202 when it is on disk. A repetition with the same key is answered as the first time. */
  routes.post('/', async (c) => {
    // The synthetic tenant's is the one that shows whether the cell takes anything.
    const { isSynthetic } = c.var.admission
    if (!isSynthetic && load.isFull())
      throw refuse('OVERLOADED', 'the delivery queue of this cell is full; try again later')
    const idempotencyKey = idempotencyKeyOf(c)
    const request = await readJson(c, sendRequestSchema)
    const accepted = await acceptRequest(c.var.admission, idempotencyKey, request)
    if (accepted.outcome === 'key-reused') throw idempotencyKeyReused()
    if (accepted.outcome === 'accepted') wake()
    else c.header('idempotency-replayed', 'true')
    return c.json({ id: accepted.id, status: 'queued' }, 202)
  })

  /**
   * Of this cell only. `cells.remaining` may hold more: ask each with `x-cell`. Asked directly, without a router, a cell
   * does not know the tenant's other cells, and so never says that it is all.
   */
  routes.get('/', async (c) => {
    const { tenant, shard, isRouted } = c.var.admission
    const limit = limitOf(c.req.query('limit'))
    const rows = await listNotifications(database, tenant, cursorOf(c.req.query('cursor')), limit + 1)
    const items = rows.slice(0, limit)
    const next = rows.length > limit ? items.at(-1)!.id : null
    const remaining = shard.filter((id) => id !== cell.config.cell)
    return c.json({
      items,
      next,
      complete: isRouted && next === null && remaining.length === 0,
      cells: { answered: [cell.config.cell], remaining },
    })
  })

  routes.get('/:id', async (c) => {
    const found = await getNotification(database, c.var.admission.tenant, c.req.param('id'))
    if (!found) throw unknownNotification()
    return c.json(found)
  })

  routes.get('/:id/attempts', async (c) => {
    const items = await listAttempts(database, c.var.admission.tenant, c.req.param('id'))
    if (!items) throw unknownNotification()
    return c.json({ items })
  })

  return routes

  async function acceptRequest(
    { tenant, traceparent }: Pick<Admitted, 'tenant' | 'traceparent'>,
    idempotencyKey: string | null,
    request: SendRequest,
  ): Promise<Accepted> {
    const requestDigest = digestOf(request)
    const text = await textOf(tenant, request)
    if (text === 'template-missing') {
      // A repetition is answered even when the template has gone since.
      const earlier = idempotencyKey && (await findRepeated(database, tenant, idempotencyKey, requestDigest))
      if (earlier) return earlier
      throw templateMissing(cell.config.cell, request.template!)
    }
    const id = cell.newId('ntf')
    const { channel } = request
    return cell.tracing.span(queueSpan('send', { tenant, id, channel }, traceparent), (span) =>
      accept(database, {
        tenant,
        id,
        channel,
        to: request.to,
        ...text,
        template: request.template ?? null,
        idempotencyKey,
        requestDigest,
        deliveryKey: deliveryKey(tenant, idempotencyKey === null ? { id } : { idempotencyKey }),
        deliverBefore: request.deliver_before ?? null,
        traceparent: span.traceparent,
      }),
    )
  }

  async function textOf(
    tenant: string,
    request: SendRequest,
  ): Promise<{ subject: string | null; body: string } | 'template-missing'> {
    if (request.template === undefined) return { subject: request.subject ?? null, body: request.body! }
    const content = await getTemplate(database, tenant, request.template)
    if (!content) return 'template-missing'
    const filled = fillTemplate(parseJson(content, templateSchema), request.data ?? {})
    if (!filled.ok) throw refuse('INVALID_REQUEST', 'the data does not fit the template', filled.problems)
    return { subject: filled.subject, body: filled.body }
  }
}

/** The same for a tenant's missing notification and for another tenant's existing one. */
function unknownNotification() {
  return refuse('NOT_FOUND', 'this cell has no such notification of yours')
}

function idempotencyKeyOf(c: Context): string | null {
  const key = c.req.header(HEADERS.idempotencyKey)
  if (key === undefined) return null
  if (IDEMPOTENCY_KEY.test(key)) return key
  throw refuse('INVALID_REQUEST', 'an Idempotency-Key is 1–255 printable ASCII characters without spaces')
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT
  const limit = Number(text)
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw refuse('INVALID_REQUEST', `limit is a whole number, 1–${LIMIT_MAX}`)
}

function cursorOf(text: string | undefined): string | undefined {
  if (text === undefined || CURSOR.test(text)) return text
  throw refuse('INVALID_REQUEST', 'cursor is the "next" of the page before')
}
