/**
 * A cell is killed with SIGKILL, PostgreSQL and all, under mixed traffic. Who notices, and is anything lost?
 *
 * The fleet is real, as `cellplane up` starts it; what was delivered is counted by unique keys at the receiving end.
 */

import { deliveryKey } from '@cellplane/example-notifications/delivery-key'
import {
  type Attempt,
  arrivedKeys,
  createTraffic,
  issueTokens,
  runLoad,
  signalAll,
  TENANTS,
  type TestFleet,
  tally,
  waitFor,
} from '@cellplane/testing'

export type KillPlan = {
  cell: string
  requestsPerSecond: number
  beforeMs: number
  afterMs: number
  seed: number
}

export type KillResult = {
  cell: string
  requests: number
  byOperation: Record<string, Record<string, number>>
  /** Attempts of tenants whose shard does not include the cell, and their failures. */
  elsewhere: { tenants: number; requests: number; failures: number }
  /** Reads of ids that only the dead cell holds, answered with the named 503; and named 503s for any other cell. */
  namedReads: { forTheDeadCell: number; forOthers: number }
  failures: Attempt[]
  accepted: number
  delivered: { missing: string[]; deliveredInMs: number }
  /** From the kill until the cell's own health check answered 200 again. */
  backAfterMs: number
}

const BACK_TIMEOUT_MS = 30_000
const DELIVERY_TIMEOUT_MS = 60_000

export async function killACell(fleet: TestFleet, plan: KillPlan): Promise<KillResult> {
  const tokens = await issueTokens(fleet)
  const traffic = createTraffic(fleet.routerUrl, tokens)
  const shards = await shardsOfTenants(fleet)
  const victim = (await fleet.status()).cells.find((cell) => cell.id === plan.cell)!

  const load = runLoad({
    requestsPerSecond: plan.requestsPerSecond,
    durationMs: plan.beforeMs + plan.afterMs,
    tenants: TENANTS,
    seed: plan.seed,
    send: traffic.send,
  })
  const begun = performance.now()
  await waitFor(
    'the moment of the kill',
    plan.beforeMs + 5000,
    () => performance.now() - begun >= plan.beforeMs,
  )
  signalAll(fleet.cellPids(plan.cell), 'SIGKILL')
  const killedAt = performance.now()
  await waitFor(
    `${plan.cell} to answer again`,
    BACK_TIMEOUT_MS,
    async () => (await fetch(`${victim.endpoint}/healthz`)).ok,
  )
  const backAfterMs = performance.now() - killedAt

  const attempts = await load
  const deliveryBegan = performance.now()
  const missing = await waitForDelivery(fleet, traffic.accepted)

  const isNamedRead = (a: Attempt) => a.operation === 'read' && a.outcome.startsWith('named 503')
  const isForVictim = (a: Attempt) => a.outcome === `named 503 for slot ${victim.slot}`
  const failures = attempts.filter((a) => a.outcome !== 'ok' && !(isNamedRead(a) && isForVictim(a)))
  const elsewhere = attempts.filter((a) => !shards.get(a.tenant)?.includes(plan.cell))
  return {
    cell: plan.cell,
    requests: attempts.length,
    byOperation: tally(attempts),
    elsewhere: {
      tenants: [...shards.values()].filter((cells) => !cells.includes(plan.cell)).length,
      requests: elsewhere.length,
      failures: elsewhere.filter((a) => a.outcome !== 'ok').length,
    },
    namedReads: {
      forTheDeadCell: attempts.filter((a) => isNamedRead(a) && isForVictim(a)).length,
      forOthers: attempts.filter((a) => isNamedRead(a) && !isForVictim(a)).length,
    },
    failures,
    accepted: traffic.accepted.size,
    delivered: { missing, deliveredInMs: performance.now() - deliveryBegan },
    backAfterMs,
  }
}

async function shardsOfTenants(fleet: TestFleet): Promise<Map<string, string[]>> {
  const client = fleet.client()
  const routes = await Promise.all(TENANTS.map(({ id }) => client.getTenantRoute({ params: { tenant: id } })))
  return new Map(routes.map((route) => [route.tenant, route.cells.map((cell) => cell.id)]))
}

/** Waits until every accepted key arrived at the provider at least once; the keys that did not. */
async function waitForDelivery(
  fleet: TestFleet,
  accepted: ReadonlyMap<string, { tenant: string }>,
): Promise<string[]> {
  let missing = [...accepted.keys()]
  await waitFor('every accepted notification to be delivered', DELIVERY_TIMEOUT_MS, async () => {
    const arrived = await arrivedKeys(fleet)
    missing = missing.filter(
      (key) => !arrived.has(deliveryKey(accepted.get(key)!.tenant, { idempotencyKey: key })),
    )
    return missing.length === 0
  }).catch(() => {})
  return missing
}
