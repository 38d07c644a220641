/**
 * Row of telemetry: the router as it is, with everything that it measures taken by somebody (a report and a scrape each
 * second, one trace in a hundred), against the same router from whose sources all measuring was taken out.
 */
import { startTelemetryReceivers, type TelemetryReceivers } from '../fleet/telemetry-receivers.ts'
import { alternate, compile } from './alternate.ts'
import { measureRequests } from './requests.ts'
import type { Entry, Row } from './row.ts'

export const telemetry: Row = {
  name: 'telemetry',
  about: 'small requests with all telemetry on, against the same router with none',
  compared: 'cpuUsPerRequest',
  contestants: ['cellplane'],
  async run(context) {
    const contestant = context.contestants.find(({ name }) => name === 'cellplane')
    if (!contestant) return { raw: {}, skipped: {} }
    const receivers = await startTelemetryReceivers(context.environment.fleet.documents())
    const on: Entry = { name: 'cellplane, on', contestant, environment: { telemetry: receivers } }
    const off: Entry = { name: 'cellplane, off', contestant, environment: { telemetry: 'none' } }
    try {
      return await alternate(context, [on, off], {
        async warmUp(running, entry) {
          if (entry === on) receivers.scrape(running.adminPort!)
          await compile(context, running, entry)
        },
        async measure(running, entry) {
          const before = { ...receivers.received }
          const found = await measureRequests(context, running, entry)
          return entry === on ? { ...found, ...sinceThen(receivers, before) } : found
        },
      })
    } finally {
      await receivers.stop()
    }
  },
}

/** What came of it, so that nobody has to believe that it was on. */
function sinceThen({ received }: TelemetryReceivers, before: TelemetryReceivers['received']) {
  return {
    reports: received.reports - before.reports,
    spanBatches: received.spanBatches - before.spanBatches,
    scrapes: received.scrapes - before.scrapes,
  }
}
