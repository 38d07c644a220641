/** Routers as processes of their own on a ground, with a probe in each. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { RouterOptions } from '../testing/fake-fleet.ts'
import { type ProcessOptions, type Spawned, spawnRouter } from '../testing/router-process.ts'
import { until } from '../testing/wait.ts'
import { type Ground, onGround, statusOf } from './ground.ts'
import type { ProbeOrder, ProbeReading } from './probe.ts'

export type RouterProcess = Spawned & {
  /** Asks the probe; what it tells is since the last time. */
  probe(order?: ProbeOrder): Promise<ProbeReading>
}

export type ProcessGround = Ground & {
  /** Starts a router and waits until it has both documents. */
  spawn(options?: RouterOptions, process?: ProcessOptions): Promise<RouterProcess>
}

/** Loose: other suites share the machine. A process that has died would be waited for without end. */
const PROBE_MS_MAX = 30_000

const PROBE = new URL('./probe.ts', import.meta.url)

export function onProcesses(run: (ground: ProcessGround) => Promise<void>): Promise<void> {
  return onGround(async (ground) => {
    const children: ChildProcess[] = []
    try {
      await run({
        ...ground,
        async spawn(options = {}, process = {}) {
          const spawned = await spawnRouter(
            ground.fleet,
            children,
            { router: `router-${children.length + 1}`, ...options },
            { stdio: 'ipc', preload: PROBE.href, ...process },
          )
          await until('both documents', async () => {
            const { base, overlay } = await statusOf(spawned)
            return base && overlay
          })
          const { child } = spawned
          return {
            ...spawned,
            async probe(order = {}) {
              child.send(order)
              const [reading] = await once(child, 'message', { signal: AbortSignal.timeout(PROBE_MS_MAX) })
              return reading as ProbeReading
            },
          }
        },
      })
    } finally {
      await ground.stopLoads()
      for (const child of children) child.kill('SIGKILL')
    }
  })
}
