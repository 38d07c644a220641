/** Reading a tenant's own notifications. Every statement names the tenant; there is no way to ask without one. */
import type { Channel, Status } from '../notification/notification.ts'
import type { Database } from './database.ts'

/** As the API shows it; times become ISO 8601 on their way out. */
export type NotificationRow = {
  id: string
  channel: Channel
  to: string
  subject: string | null
  template: string | null
  status: Status
  created_at: Date
  deliver_before: Date | null
  finished_at: Date | null
}

export type AttemptRow = {
  number: number
  started_at: Date
  duration_ms: number
  outcome: 'delivered' | 'failed' | 'refused'
  detail: string
}

const COLUMNS = `id, channel, recipient AS "to", subject, template, status, created_at, deliver_before, finished_at`

export async function getNotification(
  database: Database,
  tenant: string,
  id: string,
): Promise<(NotificationRow & { body: string }) | undefined> {
  const [row] = await database.query<NotificationRow & { body: string }>(
    `SELECT ${COLUMNS}, body FROM notification WHERE tenant = $1 AND id = $2`,
    [tenant, id],
  )
  return row
}

/** Newest first. `before` is the id after which to go on; undefined begins. */
export function listNotifications(
  database: Database,
  tenant: string,
  before: string | undefined,
  limit: number,
): Promise<NotificationRow[]> {
  return database.query<NotificationRow>(
    `SELECT ${COLUMNS} FROM notification
     WHERE tenant = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tenant, before ?? null, limit],
  )
}

/** Undefined when the tenant has no such notification. */
export async function listAttempts(
  database: Database,
  tenant: string,
  id: string,
): Promise<AttemptRow[] | undefined> {
  const attempts = await database.query<AttemptRow>(
    `SELECT number, started_at, duration_ms, outcome, detail FROM attempt
     WHERE tenant = $1 AND notification_id = $2 ORDER BY number`,
    [tenant, id],
  )
  return attempts.length > 0 || (await getNotification(database, tenant, id)) ? attempts : undefined
}
