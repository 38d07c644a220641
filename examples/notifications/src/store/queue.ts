/**
 * The delivery queue, in the same database as what it delivers.
 *
 *   due ──lease──▶ leased ──finish──▶ gone          (delivered, dead letter or expired)
 *    ▲               │
 *    └───────────────┘  retry after a delay, or the lease ran out: its worker died
 *
 * A lease is nothing but a due time in the future and a token. Several workers take different rows (SKIP LOCKED). A worker that
 * comes late, after its lease ran out, may still say "delivered", because that is true whoever says it; anything else it says
 * is ignored, because someone else has the row now. Time is the database's, so that clocks of workers do not matter.
 */
import { SYNTHETIC_TENANT_PREFIX } from '@cellplane/cell/process'
import type { Message, Status } from '../notification/notification.ts'
import type { Database } from './database.ts'

export type Job = Message & {
  tenant: string
  id: string
  /** This attempt's number, from 1. It counts attempts that began, also those whose worker died. */
  attempt: number
  /** `deliver_before` has passed. */
  isExpired: boolean
  /** Of what put it into the queue; null when an earlier release accepted it. */
  traceparent: string | null
}

export type Outcome = {
  tenant: string
  id: string
  lease: string
  number: number
  /** What becomes of the notification. */
  status: Exclude<Status, 'queued'>
  /** For `retrying`: when to try again. Never after `deliver_before`, so that what expires is seen to. */
  delayMs: number
  /** Undefined when nothing was attempted. */
  attempt:
    | { startedAt: Date; durationMs: number; outcome: 'delivered' | 'failed' | 'refused'; detail: string }
    | undefined
}

const LEASE = `
  WITH due AS (
    SELECT tenant, notification_id FROM delivery
    WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
  ), leased AS (
    UPDATE delivery AS d
    SET due_at = now() + $2 * interval '1 ms', attempts = d.attempts + 1, lease = $3
    FROM due WHERE d.tenant = due.tenant AND d.notification_id = due.notification_id
    RETURNING d.tenant, d.notification_id, d.attempts, d.traceparent
  )
  SELECT n.tenant, n.id, n.channel, n.recipient AS "to", n.subject, n.body, n.delivery_key AS "deliveryKey",
         l.attempts AS attempt, coalesce(n.deliver_before <= now(), false) AS "isExpired", l.traceparent
  FROM leased l JOIN notification n ON n.tenant = l.tenant AND n.id = l.notification_id`

/** Takes up to `limit` due rows for `leaseMs`. */
export function leaseJobs(database: Database, limit: number, leaseMs: number, lease: string): Promise<Job[]> {
  return database.query<Job>(LEASE, [limit, leaseMs, lease])
}

const RECORD_ATTEMPTS = `
  INSERT INTO attempt (tenant, notification_id, number, started_at, duration_ms, outcome, detail)
  SELECT o.* FROM unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[], $5::int[], $6::text[], $7::text[])
    AS o (tenant, id, number, started_at, duration_ms, outcome, detail)
  WHERE EXISTS (SELECT FROM notification n WHERE n.tenant = o.tenant AND n.id = o.id)
  ON CONFLICT DO NOTHING`

const RECORD_OUTCOMES = `
  WITH o AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::float8[]) AS o (tenant, id, lease, status, delay_ms)
  ), finished AS (
    DELETE FROM delivery d USING o
    WHERE d.tenant = o.tenant AND d.notification_id = o.id
      AND (o.status = 'delivered' OR (o.status <> 'retrying' AND d.lease = o.lease))
    RETURNING o.tenant, o.id, o.status
  ), retried AS (
    UPDATE delivery d
    SET lease = NULL, due_at = least(now() + o.delay_ms * interval '1 ms', n.deliver_before)
    FROM o JOIN notification n ON n.tenant = o.tenant AND n.id = o.id
    WHERE d.tenant = o.tenant AND d.notification_id = o.id AND o.status = 'retrying' AND d.lease = o.lease
    RETURNING o.tenant, o.id, o.status
  )
  UPDATE notification n
  SET status = s.status, finished_at = CASE WHEN s.status = 'retrying' THEN NULL ELSE now() END
  FROM (SELECT * FROM finished UNION ALL SELECT * FROM retried) AS s
  WHERE n.tenant = s.tenant AND n.id = s.id`

/** Writes down how attempts ended; all of them or none. */
export function recordOutcomes(database: Database, outcomes: readonly Outcome[]): Promise<void> {
  return database.transaction(async (query) => {
    const tried = outcomes.flatMap(({ tenant, id, number, attempt }) =>
      attempt ? [{ tenant, id, number, ...attempt }] : [],
    )
    await query(RECORD_ATTEMPTS, [
      tried.map((t) => t.tenant),
      tried.map((t) => t.id),
      tried.map((t) => t.number),
      tried.map((t) => t.startedAt),
      tried.map((t) => t.durationMs),
      tried.map((t) => t.outcome),
      tried.map((t) => t.detail),
    ])
    await query(RECORD_OUTCOMES, [
      outcomes.map((o) => o.tenant),
      outcomes.map((o) => o.id),
      outcomes.map((o) => o.lease),
      outcomes.map((o) => o.status),
      outcomes.map((o) => o.delayMs),
    ])
  })
}

/** How many notifications of tenants are not finished, counted up to `max`: beyond it the number does not matter. */
export async function countUnfinished(database: Database, max: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM (SELECT FROM delivery WHERE NOT starts_with(tenant, $2) LIMIT $1) AS counted',
    [max, SYNTHETIC_TENANT_PREFIX],
  )
  return row?.count ?? 0
}
