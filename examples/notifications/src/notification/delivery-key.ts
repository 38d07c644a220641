/**
 * The key by which a provider sees that two deliveries are one: its idempotency key, and the Message-ID of an e-mail.
 *
 * It is computed from what the sender said, not from what a cell made up. So when a cell dies between accepting and answering,
 * and the sender's retry is accepted by another cell, both cells deliver under the same key, and the recipient gets one message
 * where the provider dedupes. Without an Idempotency-Key nothing ties the two together, and the id stands in.
 */
import { createHash } from 'node:crypto'

/** 64 hexadecimal digits. The tenant is part of it: two tenants may choose the same key. */
export function deliveryKey(tenant: string, source: { idempotencyKey: string } | { id: string }): string {
  const named = 'idempotencyKey' in source ? ['key', source.idempotencyKey] : ['id', source.id]
  return createHash('sha256')
    .update(JSON.stringify([tenant, ...named]))
    .digest('hex')
}
