/**
 * `cellplane observability export`: configuration for the Prometheus, Alertmanager and Grafana that a team has already,
 * made from what the control plane knows.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ApiClient } from '@cellplane/client'
import type { SloState } from '@cellplane/contract/api'
import { writeAtomically } from '@cellplane/host'
import type { MonitoredFleet, MonitoredIndicator, Target } from '@cellplane/telemetry/export'
import { type Command, InvalidArgumentError } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { Failure } from '../failure.ts'
import { type Connection, connect, type RemoteFlags, requireRunning } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

type Flags = RemoteFlags &
  JsonFlag & {
    out: string
    router?: Target[]
    controlTokenFile?: string
    alertmanager: string
    webhook?: string
  }

/** Alertmanager's own default. */
const ALERTMANAGER_DEFAULT = '127.0.0.1:9093'

/** They are read by Prometheus, which runs as somebody else, and hold no secret. */
const READABLE_BY_ALL = 0o644

export function observabilityExportCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'export',
      summary: 'Write configuration for Prometheus, Alertmanager and Grafana',
      details:
        'Targets, recording rules and burn-rate alerts by cell, cases for promtool, routes by cell, and two dashboards. Run it again when cells or routers come and go: Prometheus takes up new targets by itself. Files of an earlier export are overwritten, others left alone.',
      examples: [
        ['cellplane observability export --out monitoring', 'for the fleet of this machine'],
        [
          'cellplane observability export --out monitoring --webhook http://127.0.0.1:8080/alerts',
          'with alerts sent there',
        ],
        [
          'cellplane observability export --out monitoring --url https://control.example --router router-1=http://10.0.0.5:7401',
          'for a fleet elsewhere, whose routers’ admin ports you name',
        ],
      ],
    })
      .requiredOption('--out <dir>', 'the folder to write to')
      .option(
        '--router <name=url>',
        'a router’s admin address, as Prometheus reaches it; once for each (default: those of this machine)',
        collectRouters,
      )
      .option(
        '--control-token-file <file>',
        'file with a reader’s token where Prometheus runs, for a control plane on another machine',
      )
      .option('--alertmanager <host:port>', 'where alerts are sent', ALERTMANAGER_DEFAULT)
      .option('--webhook <url>', 'where Alertmanager sends them on (default: to be filled in)', webUrl),
  ).action(async (flags: Flags) => {
    const connection = await connect(flags)
    const routers = flags.router ?? (await routersOfThisMachine(connection))
    // Loads Grafana's SDK, which no other command needs.
    const { exportFiles } = await import('@cellplane/telemetry/export')
    const files = exportFiles({
      ...(await readFleet(connection.client)),
      routers,
      controls: [{ name: 'control', url: connection.url }],
      controlTokenFile: flags.controlTokenFile ?? null,
      alertmanager: flags.alertmanager,
      webhookUrl: flags.webhook ?? null,
      timeScale: 1,
    })
    const folder = resolve(flags.out)
    await write(folder, files)
    const paths = [...files.keys()]
    printResult(flags.json, { folder, files: paths }, () =>
      [
        `wrote to ${folder}: ${paths.join(', ')}`,
        'next:',
        '  promtool test rules tests/*.yml                       the alerts do what they should',
        '  prometheus --config.file=prometheus.yml               or take its parts into your own',
        '  prometheus-alertmanager --config.file=alertmanager.yml',
      ].join('\n'),
    )
  })
}

async function readFleet(client: ApiClient): Promise<Pick<MonitoredFleet, 'fleet' | 'cells' | 'slos'>> {
  const [{ fleet }, { cells }, { objectives }] = await Promise.all([
    client.getStatus(),
    client.listCells(),
    client.getSlos(),
  ])
  return {
    fleet,
    cells: cells.map(({ id, zone, endpoint }) => ({ id, zone, url: endpoint })),
    slos: objectives.map(({ name, target, period_seconds: periodSeconds, ...of }) => ({
      ...{ name, target, periodSeconds },
      ...indicatorOf(of),
    })),
  }
}

type Objective = SloState['objectives'][number]

function indicatorOf({
  threshold_ms,
  threshold_share,
}: Pick<Objective, 'threshold_ms' | 'threshold_share'>): MonitoredIndicator {
  if (threshold_ms !== null) return { indicator: 'latency', threshold_ms }
  if (threshold_share !== null) return { indicator: 'saturation', threshold_share }
  return { indicator: 'availability' }
}

async function routersOfThisMachine({ client, stateDir }: Connection): Promise<Target[]> {
  if (stateDir !== undefined) {
    const { urls } = await requireRunning(stateDir)
    return Object.entries(urls.routers).map(([name, url]) => ({ name, url }))
  }
  const names = (await client.getStatus()).routers.map(({ router }) => router)
  throw new Failure(
    'ROUTERS_UNKNOWN',
    `a control plane elsewhere does not know where its routers’ admin ports are; name them with --router NAME=URL (${names.join(', ') || 'none reports'})`,
  )
}

async function write(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, text] of files) {
    const file = join(folder, path)
    try {
      await mkdir(dirname(file), { recursive: true })
      await writeAtomically(file, text, { mode: READABLE_BY_ALL })
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      throw new Failure('FILE_UNWRITABLE', `${file} cannot be written (${code})`, { cause })
    }
  }
}

function collectRouters(value: string, before: readonly Target[] = []): Target[] {
  const [, name, url] = /^([\w.-]{1,63})=(.+)$/.exec(value) ?? []
  if (name === undefined) throw new InvalidArgumentError('Expected NAME=URL.')
  return [...before, { name, url: webUrl(url!) }]
}

function webUrl(value: string): string {
  if (/^https?:$/.test(URL.parse(value)?.protocol ?? '')) return value
  throw new InvalidArgumentError('Expected a URL such as http://127.0.0.1:7401.')
}
