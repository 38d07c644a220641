/**
 * Alertmanager's routes: a notification for each cell, never one that mixes cells, and a page silences the ticket about
 * the same budget. Cells are matched by their label, not by name, so a cell that comes tomorrow is routed as well.
 */
import { durationText } from './duration.ts'
import type { MonitoredFleet } from './monitored-fleet.ts'

const PAGES = 'cellplane-pages'
const TICKETS = 'cellplane-tickets'

/** Seconds. A page does not wait for others to come with it. */
const PAGE_WAITS = { group_wait: 0.001, group_interval: 30, repeat_interval: 3_600 }
const TICKET_WAITS = { group_wait: 30, group_interval: 300, repeat_interval: 86_400 }

export function alertmanagerConfig({ webhookUrl, timeScale }: MonitoredFleet): object {
  const waits = (seconds: Record<string, number>) =>
    Object.fromEntries(
      Object.entries(seconds).map(([name, value]) => [name, durationText(value / timeScale)]),
    )
  const receiver = (name: string) => ({
    name,
    ...(webhookUrl === null ? {} : { webhook_configs: [{ url: webhookUrl, send_resolved: true }] }),
  })
  const ofCell = 'cell=~".+"'
  const paging = 'severity="page"'
  return {
    route: {
      receiver: TICKETS,
      group_by: ['fleet', 'alertname'],
      ...waits(TICKET_WAITS),
      routes: [
        { matchers: [ofCell, paging], receiver: PAGES, group_by: ['fleet', 'cell'], ...waits(PAGE_WAITS) },
        { matchers: [ofCell], group_by: ['fleet', 'cell'] },
        { matchers: [paging], receiver: PAGES, ...waits(PAGE_WAITS) },
      ],
    },
    inhibit_rules: [
      {
        source_matchers: [paging, ofCell],
        target_matchers: ['severity="ticket"', ofCell],
        equal: ['fleet', 'cell', 'slo'],
      },
    ],
    receivers: [receiver(PAGES), receiver(TICKETS)],
  }
}
