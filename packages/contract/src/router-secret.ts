/**
 * The secret between the routers and one cell. It is derived, so that routers hold one key instead of a list, and no
 * document carries a secret; a cell is given only its own, so that one cell's breach forges nothing at another.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** HMAC-SHA-256 of the fleet and cell under the router key, base64url (43 characters). */
export function deriveRouterSecret(routerKey: string, fleet: string, cell: string): string {
  return createHmac('sha256', routerKey)
    .update(`cellplane router secret\n${fleet}\n${cell}`)
    .digest('base64url')
}

/** Compares without telling, by its timing, how much of a guess was right. */
export function secretsMatch(found: string, expected: string): boolean {
  const a = Buffer.from(found)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
