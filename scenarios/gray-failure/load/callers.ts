/**
 * The callers: customers' programs that retry. An action is some calls at once, all of which it needs, as a login or a
 * page does; when one of them fails or is late, the whole action is tried anew after a backoff, a bounded number of times.
 * The other calls of a failed try are not taken back.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { CallerPlan } from '../plan.ts'
import { TENANT_HEADER } from '../proxies/cells.ts'

export type Callers = {
  /** `ok`, or why the last try failed. Never throws. */
  act(tenant: string): Promise<string>
  /** Calls sent, by second since `startedAtMs`. */
  readonly callsBySecond: number[]
}

export function createCallers(url: string, plan: CallerPlan, startedAtMs: number): Callers {
  const agent = new Agent({ keepAlive: true, maxSockets: 2048 })
  const callsBySecond: number[] = []

  function countCall(): void {
    const second = Math.max(0, Math.floor((Date.now() - startedAtMs) / 1000))
    while (callsBySecond.length <= second) callsBySecond.push(0)
    callsBySecond[second]!++
  }

  /** Rejects with the reason, in a word. */
  function call(tenant: string): Promise<void> {
    countCall()
    return new Promise((resolve, reject) => {
      const sent = get(url, { agent, headers: { [TENANT_HEADER]: tenant } }, (answer) => {
        answer.resume()
        answer.once('close', () => clearTimeout(timer))
        if (answer.statusCode === 200) resolve()
        else reject(new Error(String(answer.statusCode)))
      })
      const timer = setTimeout(() => sent.destroy(new Error('late')), plan.callTimeoutMs)
      sent.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        reject(new Error(error.code ?? error.message))
      })
    })
  }

  return {
    callsBySecond,
    async act(tenant) {
      for (let tries = 1; ; tries++) {
        try {
          await Promise.all(Array.from({ length: plan.callsPerAction }, () => call(tenant)))
          return 'ok'
        } catch (error) {
          if (tries === plan.triesMax) return (error as Error).message
          await delay(Math.random() * plan.backoffMs * 2 ** (tries - 1))
        }
      }
    },
  }
}
