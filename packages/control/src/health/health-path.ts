/** The shallow probe: a GET of the cell's health path, which is the cell's own word on itself. */
import type { HealthPolicy } from '@cellplane/contract/fleet-file'
import type { Ask } from './prober.ts'
import { whyNoAnswer } from './why-no-answer.ts'

/** 2xx within the time is healthy. A redirect is not followed: a login page answers 200 for anybody. */
export function askHealthPath({ path, timeout_ms }: Pick<HealthPolicy, 'path' | 'timeout_ms'>): Ask {
  return async ({ endpoint }, stopping) => {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeout_ms), stopping])
      const response = await fetch(new URL(path, endpoint), { redirect: 'manual', signal })
      await response.body?.cancel()
      return { isHealthy: response.ok, reason: `answered ${response.status}` }
    } catch (error) {
      return { isHealthy: false, reason: whyNoAnswer(error as Error, timeout_ms) }
    }
  }
}
