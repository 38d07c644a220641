/** The two plain proxies: one repeats what could not be connected, the other also what was answered with an error. */
import { startProcess } from '../process.ts'
import type { ProxyKind } from './proxy.ts'
import type { RoundRobinOptions } from './round-robin.main.ts'

export const roundRobin = kind(
  'round robin',
  'all instances for all tenants, by turns; repeats what could not be connected',
  'connections',
)
export const roundRobinRepeating = kind(
  'round robin, repeating',
  'the same, and repeats 500, 502, 503 and 504 at the next instance, thrice at most',
  'answers',
)

function kind(name: string, about: string, repeats: RoundRobinOptions['repeats']): ProxyKind {
  return {
    name,
    about,
    async start(_plan, ports) {
      const options: RoundRobinOptions = { ports: [...ports], repeats }
      const child = startProcess(new URL('round-robin.main.ts', import.meta.url), [JSON.stringify(options)])
      const [, port] = await child.untilOutput(/listening on (\d+)/)
      return {
        url: `http://127.0.0.1:${port}`,
        takenOut: () => child.ask<number[]>({}),
        stop: () => child.stop(),
      }
    },
  }
}
