/**
 * A real Prometheus on loopback, of Debian's package, that scrapes nothing: its metrics are made up and put into its store as
 * blocks, so that nobody waits hours for scrapes.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePortRange } from './ports.ts'
import { waitFor } from './wait.ts'

export type TestPrometheus = {
  readonly url: string
  /** As kill -9; what it has on disk stays. */
  kill(): Promise<void>
  /** After a kill, at the same address. Resolves when it answers. */
  start(): Promise<void>
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 60_000

/** Why a real Prometheus cannot be had here, or undefined. */
export function whyNoPrometheus(): string | undefined {
  const isThere = ['prometheus', 'promtool'].every(
    (program) => spawnSync(program, ['--version']).status === 0,
  )
  return isThere ? undefined : 'prometheus is not installed; to have it: apt-get install prometheus'
}

/** `openMetrics`: the metrics in OpenMetrics' text format, each series' samples in a row and in order of time. */
export async function startTestPrometheus(openMetrics: string): Promise<TestPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-prometheus-'))
  const [file, config, data] = ['made-up.openmetrics', 'prometheus.yml', 'data'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const address = `127.0.0.1:${await freePortRange(1)}`
  const url = `http://${address}`
  let server: ChildProcess | undefined

  async function kill(): Promise<void> {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }

  async function start(): Promise<void> {
    const options = {
      'config.file': config,
      'storage.tsdb.path': data,
      'storage.tsdb.retention.time': '100y',
      'web.listen-address': address,
    }
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
    server = spawn('prometheus', args, { stdio: 'ignore' })
    await waitFor('Prometheus to be ready', START_TIMEOUT_MS, async () => {
      const answer = await fetch(`${url}/-/ready`).catch(() => undefined)
      return answer?.ok
    })
  }

  async function stop(): Promise<void> {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    writeFileSync(config, '{}')
    writeFileSync(file, openMetrics)
    const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', file, data])
    if (made.status !== 0) throw new Error(`promtool made no blocks: ${made.stderr}`)
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return { url, kill, start, stop }
}
