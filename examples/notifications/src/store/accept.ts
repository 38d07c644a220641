/**
 * Accepting a notification: its row and its place in the queue, in one statement. When this resolves it is on disk, and only
 * then may anyone be told.
 *
 * The Idempotency-Key is kept as long as the notification. Two requests with one key at the same time meet in the unique index:
 * the second waits for the first and then finds it.
 */
import type { Channel } from '../notification/notification.ts'
import type { Database } from './database.ts'

export type NewNotification = {
  tenant: string
  id: string
  channel: Channel
  to: string
  subject: string | null
  body: string
  template: string | null
  idempotencyKey: string | null
  requestDigest: string
  deliveryKey: string
  /** ISO 8601. */
  deliverBefore: string | null
  /** Of what puts it into the queue (W3C Trace Context). */
  traceparent: string
}

export type Accepted =
  | { outcome: 'accepted'; id: string }
  /** The key was used before, for the same request. */
  | { outcome: 'repeated'; id: string }
  /** The key was used before, for another request. */
  | { outcome: 'key-reused' }

const ACCEPT = `
  WITH accepted AS (
    INSERT INTO notification (tenant, id, channel, recipient, subject, body, template, idempotency_key, request_digest,
                              delivery_key, deliver_before)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT DO NOTHING
    RETURNING tenant, id
  ), queued AS (
    INSERT INTO delivery (tenant, notification_id, traceparent) SELECT tenant, id, $12 FROM accepted
  )
  SELECT id FROM accepted`

export async function accept(database: Database, n: NewNotification): Promise<Accepted> {
  const rows = await database.query<{ id: string }>(ACCEPT, [
    ...[n.tenant, n.id, n.channel, n.to, n.subject, n.body, n.template, n.idempotencyKey, n.requestDigest],
    ...[n.deliveryKey, n.deliverBefore, n.traceparent],
  ])
  if (rows[0]) return { outcome: 'accepted', id: rows[0].id }
  const earlier =
    n.idempotencyKey === null
      ? undefined
      : await findRepeated(database, n.tenant, n.idempotencyKey, n.requestDigest)
  if (!earlier)
    throw new Error(`the id ${n.id} is taken, and no earlier notification has its Idempotency-Key`)
  return earlier
}

/** The notification that this key was used for before. */
export async function findRepeated(
  database: Database,
  tenant: string,
  idempotencyKey: string,
  requestDigest: string,
): Promise<Exclude<Accepted, { outcome: 'accepted' }> | undefined> {
  const [row] = await database.query<{ id: string; request_digest: string }>(
    'SELECT id, request_digest FROM notification WHERE tenant = $1 AND idempotency_key = $2',
    [tenant, idempotencyKey],
  )
  if (!row) return undefined
  return row.request_digest === requestDigest
    ? { outcome: 'repeated', id: row.id }
    : { outcome: 'key-reused' }
}
