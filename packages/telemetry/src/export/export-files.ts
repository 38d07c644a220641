/**
 * Everything that another observability stack needs to watch a fleet as cellplane does, as files by path: nothing is
 * written here.
 *
 *     prometheus.yml                    what is scraped, and from which files the targets come
 *     targets/….json                    the targets: made again when cells or routers come and go
 *     rules/<fleet>.slo-<name>.yml      recording rules and alerts of one objective
 *     rules/<fleet>.planes.yml          alerts on routers and control plane
 *     tests/<fleet>.slo-<name>.test.yml for `promtool test rules`
 *     alertmanager.yml                  routes by cell
 *     dashboards/….json                 Grafana: the fleet, and one cell
 */
import { alertmanagerConfig } from './alertmanager-config.ts'
import { burnRuleGroups } from './burn-rules.ts'
import { cellDashboard } from './dashboards/cell-dashboard.ts'
import { fleetDashboard } from './dashboards/fleet-dashboard.ts'
import type { MonitoredFleet } from './monitored-fleet.ts'
import { planeRuleGroup } from './plane-rules.ts'
import { ruleTests } from './rule-tests.ts'
import { scrapeConfig, targetFiles } from './scrape-config.ts'
import { yamlText } from './yaml-text.ts'

type NamedFile = [path: string, text: string]

export function exportFiles(monitored: MonitoredFleet): Map<string, string> {
  const { fleet } = monitored
  const rules = ruleFiles(monitored)
  const rulePaths = rules.map(([path]) => path)
  const targets = Object.entries(targetFiles(monitored))
  return new Map([
    ['prometheus.yml', yamlText(scrapeConfig(monitored, rulePaths), `Prometheus, for the fleet ${fleet}.`)],
    ['alertmanager.yml', yamlText(alertmanagerConfig(monitored), `Alertmanager, for the fleet ${fleet}.`)],
    ...targets.map(([path, groups]): NamedFile => [path, jsonText(groups)]),
    ...rules,
    // They say what happens at which time; a drill's export has other times.
    ...(monitored.timeScale === 1 ? testFiles(monitored) : []),
    [`dashboards/${fleet}-fleet.json`, jsonText(fleetDashboard(monitored))],
    [`dashboards/${fleet}-cell.json`, jsonText(cellDashboard(monitored))],
  ])
}

const ruleFileOf = (fleet: string, slo: string) => `rules/${fleet}.slo-${slo}.yml`

function ruleFiles(monitored: MonitoredFleet): NamedFile[] {
  const { fleet, slos } = monitored
  const planes = { groups: [planeRuleGroup(monitored)] }
  return [
    ...slos.map((slo): NamedFile => {
      const about = `What cells of ${fleet} are held to (${slo.name}), and whom it wakes when they are not.`
      return [ruleFileOf(fleet, slo.name), yamlText({ groups: burnRuleGroups(monitored, slo) }, about)]
    }),
    [`rules/${fleet}.planes.yml`, yamlText(planes, `Routers and control plane of ${fleet}.`)],
  ]
}

function testFiles(monitored: MonitoredFleet): NamedFile[] {
  const { fleet, slos } = monitored
  return slos.map((slo) => [
    `tests/${fleet}.slo-${slo.name}.test.yml`,
    yamlText(
      ruleTests(monitored, slo, `../${ruleFileOf(fleet, slo.name)}`),
      `What the alerts on ${slo.name} do, as cases for promtool test rules.`,
    ),
  ])
}

const jsonText = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
