/** Alerts on what watches and steers the cells. They are about no tenant's requests, so all but blindness can wait for the morning. */
import type { AlertRule, RuleGroup } from './burn-rules.ts'
import { durationText } from './duration.ts'
import { CONTROL_JOB, type MonitoredFleet, ROUTERS_JOB } from './monitored-fleet.ts'

const INTERVAL_SECONDS = 30
/** A restart, or one scrape that was lost, is no news. */
const LASTS_SECONDS = 120
const REFUSED_WINDOW_SECONDS = 600

export function planeRuleGroup({ fleet, timeScale }: MonitoredFleet): RuleGroup {
  const own = `fleet="${fleet}"`
  const lasts = durationText(LASTS_SECONDS / timeScale)
  const alert = (
    name: string,
    severity: 'page' | 'ticket',
    expr: string,
    summary: string,
    remedy: string,
  ): AlertRule => ({
    alert: name,
    expr,
    for: lasts,
    labels: { fleet, severity },
    annotations: { summary, description: remedy },
  })
  const refused = durationText(REFUSED_WINDOW_SECONDS / timeScale)
  return {
    name: `cellplane-${fleet}-planes`,
    interval: durationText(INTERVAL_SECONDS / timeScale),
    rules: [
      alert(
        'CellplaneBlind',
        'page',
        `absent(up{${own},job="${ROUTERS_JOB}"} == 1)`,
        `no router of ${fleet} is scraped`,
        'Nobody sees what cells answer, and no alert on a cell can come. See: cellplane status; targets/routers.json.',
      ),
      alert(
        'CellplaneTargetDown',
        'ticket',
        `up{${own},job=~"${ROUTERS_JOB}|${CONTROL_JOB}"} == 0`,
        `{{ $labels.job }} of ${fleet} at {{ $labels.instance }} does not answer scrapes`,
        'See: cellplane status',
      ),
      alert(
        'CellplaneCellUnhealthy',
        'ticket',
        `max by (cell) (cellplane_cell_health{${own},verdict="unhealthy"}) == 1`,
        `the control plane holds {{ $labels.cell }} of ${fleet} for unhealthy`,
        'See: cellplane cell show {{ $labels.cell }}',
      ),
      alert(
        'CellplaneAutomationFrozen',
        'ticket',
        `max by (fleet) (cellplane_control_is_frozen{${own}}) == 1`,
        `automation of ${fleet} holds something back on purpose`,
        'Too many cells or tenants look bad at once, a base was taken back or is over the budget, or an operator froze it. Somebody has to judge it. See: cellplane status',
      ),
      alert(
        'CellplaneControlProblem',
        'ticket',
        `max by (fleet) (cellplane_control_problems{${own}}) > 0`,
        `the control plane of ${fleet} tries and cannot do a part of its work`,
        'Requests are served without it. Somebody has to repair what it says. See: cellplane status',
      ),
      alert(
        'CellplaneDocumentsRefused',
        'ticket',
        `sum by (router) (increase(cellplane_router_refused_documents_total{${own}}[${refused}])) > 0`,
        `{{ $labels.router }} of ${fleet} refuses documents of the control plane`,
        'It goes on with the last good one. See: cellplane status',
      ),
    ],
  }
}
