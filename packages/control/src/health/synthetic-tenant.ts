/**
 * The synthetic tenant: a real request, as a tenant that is nobody's, through the cell's own API. It finds what a health
 * path does not know of: a full disk, a queue that takes nothing, code that fails.
 *
 * It goes to the cell itself and not through a router, with the headers that a router would send; so it is in no router's
 * metrics, cap or ceiling. Each request has an Idempotency-Key of its own: answering from a remembered one would write nothing.
 */
import { randomUUID } from 'node:crypto'
import { deriveRouterSecret, HEADERS, syntheticTenantOf } from '@cellplane/contract'
import type { SyntheticPolicy } from '@cellplane/contract/fleet-file'
import type { Ask } from './prober.ts'
import { whyNoAnswer } from './why-no-answer.ts'

export type SyntheticOptions = { policy: SyntheticPolicy; fleet: string; routerKey: string }

export function askAsSyntheticTenant({ policy, fleet, routerKey }: SyntheticOptions): Ask {
  const { path, method, body, expect_status: expected, timeout_ms: timeoutMs } = policy
  return async ({ id, endpoint }, stopping) => {
    const key = randomUUID()
    try {
      const response = await fetch(new URL(path, endpoint), {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          [HEADERS.tenant]: syntheticTenantOf(id),
          [HEADERS.cell]: id,
          [HEADERS.role]: 'home',
          [HEADERS.generation]: '0',
          [HEADERS.shard]: id,
          [HEADERS.secret]: deriveRouterSecret(routerKey, fleet, id),
          [HEADERS.idempotencyKey]: key,
          [HEADERS.requestId]: key,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping]),
      })
      await response.body?.cancel()
      const { status } = response
      return status === expected
        ? { isHealthy: true, reason: `answered ${status}` }
        : { isHealthy: false, reason: `answered ${status}, expected ${expected}` }
    } catch (error) {
      return { isHealthy: false, reason: whyNoAnswer(error as Error, timeoutMs) }
    }
  }
}
