/**
 * A real Prometheus and a real Alertmanager on loopback, run with what `cellplane observability export` writes, and the
 * webhook at the end of it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { exportFiles, type MonitoredFleet } from '@cellplane/telemetry/export'
import { freePortRange, waitFor } from '@cellplane/testing'

/** An alert of a notification, as webhooks get it (version 4). */
export type SentAlert = {
  status: 'firing' | 'resolved'
  labels: Record<string, string>
  annotations: Record<string, string>
}
type Notification = { groupLabels: Record<string, string>; alerts: SentAlert[] }

export type Monitoring = {
  readonly files: ReadonlyMap<string, string>
  /** Everything that the webhook was sent, oldest first. */
  readonly notifications: readonly Notification[]
  /** Series of a PromQL expression now. */
  query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 30_000
const PROGRAMS = ['prometheus', 'prometheus-alertmanager']

export function whyNoMonitoring(): string | undefined {
  const missing = PROGRAMS.filter((program) => spawnSync(program, ['--version']).status !== 0)
  return missing.length === 0
    ? undefined
    : `not installed: ${missing.join(', ')}; to have them: apt-get install ${missing.join(' ')}`
}

export async function startMonitoring(
  fleet: Omit<MonitoredFleet, 'alertmanager' | 'webhookUrl'>,
): Promise<Monitoring> {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-monitoring-'))
  const webhook = await startWebhook()
  const first = await freePortRange(2)
  const [prometheusAt, alertmanagerAt] = [`127.0.0.1:${first}`, `127.0.0.1:${first + 1}`]
  const files = exportFiles({ ...fleet, alertmanager: alertmanagerAt, webhookUrl: webhook.url })
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const options = (more: Record<string, string>) =>
    Object.entries(more).map(([name, value]) => `--${name}=${value}`)
  const start = (program: string, args: string[]) => spawn(program, args, { cwd: folder, stdio: 'ignore' })
  const children = [
    start(
      'prometheus',
      options({
        'config.file': 'prometheus.yml',
        'storage.tsdb.path': 'data',
        'web.listen-address': prometheusAt,
      }),
    ),
    start(
      'prometheus-alertmanager',
      options({
        'config.file': 'alertmanager.yml',
        'storage.path': 'alerts',
        'web.listen-address': alertmanagerAt,
        // It is alone: no cluster.
        'cluster.listen-address': '',
      }),
    ),
  ]
  const stop = async () => {
    await Promise.all(children.map(kill))
    await webhook.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const at of [prometheusAt, alertmanagerAt]) {
      await waitFor(`http://${at} to be ready`, START_TIMEOUT_MS, async () => {
        const answer = await fetch(`http://${at}/-/ready`).catch(() => undefined)
        return answer?.ok
      })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    files,
    notifications: webhook.notifications,
    async query(expr) {
      const answer = await fetch(`http://${prometheusAt}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expr }),
      })
      const body = (await answer.json()) as { status: string; error?: string; data: { result: never[] } }
      if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`)
      return body.data.result
    },
    stop,
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function startWebhook() {
  const notifications: Notification[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    notifications.push(JSON.parse(text) as Notification)
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    notifications,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
