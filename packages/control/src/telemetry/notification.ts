/**
 * Alerts of one cell as a webhook is told them: Alertmanager's payload, version 4, which everything that receives alerts
 * understands. Names, labels and words are those of the exported Prometheus rules, so both may feed one receiver. Pure.
 */
import { createHash } from 'node:crypto'
import { periodSecondsOf } from '@cellplane/contract'
import { BURN_ALERTS, burnAnnotations, burnLabels } from '@cellplane/telemetry'
import { type Alert, alertKey } from './alerts.ts'

/** What a cell's receivers are to know: what fires, and what ended since they were told last. */
export type CellAlerts = {
  readonly firing: readonly Alert[]
  readonly resolved: readonly ResolvedAlert[]
}
export type ResolvedAlert = Alert & { readonly until: number }

/** Alertmanager's word for a time that has not come. */
const NOT_YET = '0001-01-01T00:00:00Z'
const RECEIVER = 'cellplane'

/** What is said next if nothing of `before` was delivered yet. */
export function mergeAlerts(before: CellAlerts, now: CellAlerts): CellAlerts {
  const known = new Set([...now.firing, ...now.resolved].map(alertKey))
  const older = before.resolved.filter((alert) => !known.has(alertKey(alert)))
  return { firing: now.firing, resolved: [...older, ...now.resolved] }
}

export function notificationOf(fleet: string, cell: string, { firing, resolved }: CellAlerts): object {
  const alerts = [...firing, ...resolved].map((alert) => alertOf(fleet, alert))
  const groupLabels = { fleet, cell }
  return {
    version: '4',
    groupKey: `{}:{fleet="${fleet}", cell="${cell}"}`,
    truncatedAlerts: 0,
    status: firing.length > 0 ? 'firing' : 'resolved',
    receiver: RECEIVER,
    groupLabels,
    commonLabels: commonOf(alerts.map(({ labels }) => labels)),
    commonAnnotations: commonOf(alerts.map(({ annotations }) => annotations)),
    externalURL: '',
    alerts,
  }
}

function alertOf(fleet: string, alert: Alert | ResolvedAlert) {
  const { cell, slo, severity, since } = alert
  const monitored = {
    name: slo.name,
    target: slo.target,
    periodSeconds: periodSecondsOf(slo.period),
  }
  const labels = { alertname: BURN_ALERTS[severity], fleet, cell, ...burnLabels(monitored, alert) }
  const until = 'until' in alert ? alert.until : undefined
  return {
    status: until === undefined ? 'firing' : 'resolved',
    labels,
    annotations: burnAnnotations(fleet, cell, monitored, alert),
    startsAt: new Date(since).toISOString(),
    endsAt: until === undefined ? NOT_YET : new Date(until).toISOString(),
    generatorURL: '',
    fingerprint: fingerprintOf(labels),
  }
}

/** The same for the same labels, and for nothing else: by it a receiver knows an alert again. */
function fingerprintOf(labels: Record<string, string>): string {
  const text = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** What all of them say. */
function commonOf(all: readonly Record<string, string>[]): Record<string, string> {
  const [first = {}, ...others] = all
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((one) => one[name] === value)),
  )
}
