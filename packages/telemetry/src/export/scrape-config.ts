/**
 * What Prometheus scrapes. Targets are in files of their own (file_sd), which Prometheus watches: an export that is made
 * again after a cell came takes effect without a reload.
 *
 * Every target bears `fleet`, by which rules and dashboards tell fleets apart that share a Prometheus. Cells say `cell`
 * of themselves, and what they say is kept (honor_labels).
 */
import { durationText } from './duration.ts'
import { CELLS_JOB, CONTROL_JOB, type MonitoredFleet, ROUTERS_JOB, type Target } from './monitored-fleet.ts'

/** A burn of 14.4 shows after 52 s of an outage; ten more leave an operator a page within the minute plus one scrape. */
const SCRAPE_SECONDS = 10
const SCRAPE_TIMEOUT_SECONDS = 5

type TargetGroup = { targets: string[]; labels: Record<string, string> }

/** `ruleFiles` and the targets' files are named relative to the configuration. */
export function scrapeConfig(monitored: MonitoredFleet, ruleFiles: readonly string[]): object {
  const { timeScale, controlTokenFile, alertmanager } = monitored
  const job = (name: string, file: string, more: object = {}) => ({
    job_name: name,
    ...more,
    file_sd_configs: [{ files: [file] }],
  })
  const asReader =
    controlTokenFile === null ? {} : { authorization: { type: 'Bearer', credentials_file: controlTokenFile } }
  return {
    global: {
      scrape_interval: durationText(SCRAPE_SECONDS / timeScale),
      scrape_timeout: durationText(SCRAPE_TIMEOUT_SECONDS / timeScale),
    },
    rule_files: ruleFiles,
    alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
    scrape_configs: [
      job(ROUTERS_JOB, 'targets/routers.json'),
      job(CONTROL_JOB, 'targets/control.json', asReader),
      job(CELLS_JOB, 'targets/cells.json', { honor_labels: true }),
    ],
  }
}

/** By path. */
export function targetFiles({
  fleet,
  routers,
  controls,
  cells,
}: MonitoredFleet): Record<string, TargetGroup[]> {
  return {
    'targets/routers.json': routers.map((router) => targetGroup(router, { fleet, router: router.name })),
    'targets/control.json': controls.map((control) => targetGroup(control, { fleet })),
    'targets/cells.json': cells.flatMap(({ id, zone, url }) =>
      url === null ? [] : [targetGroup({ name: id, url }, { fleet, cell: id, zone })],
    ),
  }
}

/** Labels that begin with `__` say how to scrape, and are not kept. */
function targetGroup({ url }: Target, labels: Record<string, string>): TargetGroup {
  const { protocol, host, pathname } = new URL(url)
  const path = `${pathname.replace(/\/$/, '')}/metrics`
  return {
    targets: [host],
    labels: {
      ...labels,
      ...(protocol === 'https:' ? { __scheme__: 'https' } : {}),
      ...(path === '/metrics' ? {} : { __metrics_path__: path }),
    },
  }
}
