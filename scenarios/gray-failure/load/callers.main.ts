/**
 * The process of the callers: it is sent one order, sends the open load when its time has come, and reports every action.
 * It ends with its IPC channel.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { type Attempt, runLoad } from '@cellplane/testing'
import { type Plan, tenantNames } from '../plan.ts'
import { createCallers } from './callers.ts'

export type LoadOrder = { url: string; plan: Plan; startedAtMs: number }
export type LoadReport = { actions: Attempt[]; callsBySecond: number[]; stallMs: number }

process.on('disconnect', () => process.exit(0))
process.once('message', (order: LoadOrder) => {
  send(order).then((report) => process.send!(report))
})

async function send({ url, plan, startedAtMs }: LoadOrder): Promise<LoadReport> {
  const callers = createCallers(url, plan.caller, startedAtMs)
  await delay(startedAtMs - Date.now())
  const stalls = monitorEventLoopDelay({ resolution: 10 })
  stalls.enable()
  const actions = await runLoad({
    requestsPerSecond: plan.actionsPerSecond,
    durationMs: plan.beforeMs + plan.faultMs + plan.afterMs,
    tenants: tenantNames(plan).map((id) => ({ id, weight: 1 })),
    seed: plan.seed,
    send: async (tenant) => ({ operation: 'action', outcome: await callers.act(tenant) }),
  })
  stalls.disable()
  return { actions, callsBySecond: callers.callsBySecond, stallMs: stalls.max / 1e6 }
}
