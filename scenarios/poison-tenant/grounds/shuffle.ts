/**
 * Plain ground: instances that are started anew 100 ms after they end, as cellplane's agent does, behind a proxy that
 * shuffles shards and replaces failed instances in them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePortRange, waitFor } from '@cellplane/testing'
import { startProcess } from '../../gray-failure/process.ts'
import type { Crash, GroundKind } from './ground.ts'
import type { ShuffleOptions } from './shuffle.main.ts'

const RESTART_MS = 100
const START_TIMEOUT_MS = 30_000
const CELL = fileURLToPath(new URL('../service/cell.main.ts', import.meta.url))

export const shuffle: GroundKind = {
  name: 'shuffle shards, replaced',
  about: 'a shard of two of eight instances for each tenant; a failed instance is replaced by another one',
  async start({ cells, shardSize }) {
    const first = await freePortRange(cells)
    const ports = Array.from({ length: cells }, (_, i) => first + i)
    const crashes: Crash[] = []
    const instances = ports.map((port, i) => keepInstance(`cell-${i}`, port, crashes))
    const stopInstances = () => Promise.all(instances.map((instance) => instance.stop()))
    try {
      await waitFor('the instances to serve', START_TIMEOUT_MS, async () => {
        const answers = await Promise.all(ports.map((port) => fetch(`http://127.0.0.1:${port}/healthz`)))
        return answers.every(({ ok }) => ok)
      })
      const options: ShuffleOptions = { ports, shardSize }
      const proxy = startProcess(new URL('shuffle.main.ts', import.meta.url), [JSON.stringify(options)])
      const [, port] = await proxy.untilOutput(/listening on (\d+)/)
      return {
        url: `http://127.0.0.1:${port}`,
        crashes: () => crashes,
        quarantined: async () => [],
        takenOut: async () => [],
        async stop() {
          await proxy.stop()
          await stopInstances()
        },
      }
    } catch (error) {
      await stopInstances()
      throw error
    }
  },
}

function keepInstance(cell: string, port: number, crashes: Crash[]) {
  let child: ChildProcess | undefined
  let isStopped = false

  async function keep(): Promise<void> {
    while (!isStopped) {
      child = fork(CELL, {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        env: { ...process.env, PORT: String(port) },
      })
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.trim().split('\n')) {
          const { at } = JSON.parse(line) as { at: number }
          crashes.push({ cell, at })
        }
      })
      const own = child
      await new Promise((resolve) => own.once('close', resolve))
      if (!isStopped) await delay(RESTART_MS)
    }
  }

  const kept = keep()
  return {
    async stop(): Promise<void> {
      isStopped = true
      child?.kill('SIGKILL')
      await kept
    },
  }
}
