/**
 * A cell is added from nothing while traffic flows, and another one is drained. Nobody may notice either.
 */
import {
  createTraffic,
  issueTokens,
  runLoad,
  TENANTS,
  type TestFleet,
  tally,
  waitFor,
} from '@cellplane/testing'

export type GrowResult = {
  requests: number
  failures: Record<string, Record<string, number>>
  added: string
  /** From the command until the new cell was placed, routed to by every router, and had answered a request. */
  addedInMs: number
  /** Requests that the new cell served. */
  servedByAdded: number
  /** From the command until the cell was drained: not placed, nothing undelivered. */
  drainedInMs: number
}

const ADD_TIMEOUT_MS = 60_000
const DRAIN_TIMEOUT_MS = 60_000

export async function growAndDrain(
  fleet: TestFleet,
  plan: { requestsPerSecond: number; drain: string; seed: number },
): Promise<GrowResult> {
  const traffic = createTraffic(fleet.routerUrl, await issueTokens(fleet))
  const finished = new AbortController()
  const load = runLoad({
    requestsPerSecond: plan.requestsPerSecond,
    durationMs: ADD_TIMEOUT_MS + DRAIN_TIMEOUT_MS,
    tenants: TENANTS,
    seed: plan.seed,
    send: traffic.send,
    signal: finished.signal,
  })

  const addedAt = performance.now()
  const { id: added } = JSON.parse(await fleet.cli('cell', 'add', '--json')) as { id: string }
  await waitFor(`${added} to serve`, ADD_TIMEOUT_MS, () => (traffic.answersBy.get(added) ?? 0) > 0)
  const addedInMs = performance.now() - addedAt

  const drainedAt = performance.now()
  await fleet.cli('cell', 'drain', plan.drain, '--reason', 'scenario', '--json')
  await waitFor(`${plan.drain} to be drained`, DRAIN_TIMEOUT_MS, async () =>
    (await fleet.status()).cells.some((cell) => cell.id === plan.drain && cell.state === 'drained'),
  )
  const drainedInMs = performance.now() - drainedAt

  finished.abort()
  const attempts = await load
  return {
    requests: attempts.length,
    failures: tally(attempts.filter((attempt) => attempt.outcome !== 'ok')),
    added,
    addedInMs,
    servedByAdded: traffic.answersBy.get(added) ?? 0,
    drainedInMs,
  }
}
