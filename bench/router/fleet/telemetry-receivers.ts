/**
 * Who takes a router's telemetry in the bench: a control plane that serves the bench's documents and takes reports, a
 * receiver of spans, and a Prometheus, as far as a router can tell: all on one port, and the scrapes. What came is
 * counted, so that a row can show that telemetry was on.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Ten times as often as the exported configuration has it, so that a short measurement holds some. */
const SCRAPE_MS = 1_000
const SCRAPE_TIMEOUT_MS = 900

export type TelemetryReceivers = {
  /** Of the control plane. */
  readonly url: string
  readonly tracesUrl: string
  readonly received: Readonly<Record<'reports' | 'spanBatches' | 'scrapes', number>>
  /** From now on, until it stops. `adminPort`: the router's. */
  scrape(adminPort: number): void
  stop(): Promise<void>
}

export async function startTelemetryReceivers(documents: {
  base: string
  overlay: string
}): Promise<TelemetryReceivers> {
  const received = { reports: 0, spanBatches: 0, scrapes: 0 }
  const timers = new Set<NodeJS.Timeout>()
  const server = createServer(async (request, response) => {
    switch (request.url) {
      case '/v1/topology/base':
      case '/v1/topology/overlay': {
        // The bench never changes a document, so any ETag that a router has is the right one.
        if (request.headers['if-none-match']) return response.writeHead(304).end()
        const document = request.url.endsWith('base') ? documents.base : documents.overlay
        return response.writeHead(200, { 'content-type': 'application/json', etag: '"bench"' }).end(document)
      }
      case '/v1/topology/events':
        return response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .write(': nothing will change\n\n')
      case '/v1/reports/router':
        await drained(request)
        received.reports++
        return response.writeHead(204).end()
      case '/v1/traces':
        await drained(request)
        received.spanBatches++
        return response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      default:
        return response.writeHead(404).end()
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function scrapeOnce(adminPort: number): Promise<void> {
    const signal = AbortSignal.timeout(SCRAPE_TIMEOUT_MS)
    const page = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { signal })
    if ((await page.text()).includes('cellplane_router_requests_total')) received.scrapes++
  }

  return {
    url,
    tracesUrl: `${url}/v1/traces`,
    received,
    scrape(adminPort) {
      // A router that has ended, or is late, is missed by the count.
      timers.add(setInterval(() => void scrapeOnce(adminPort).catch(() => {}), SCRAPE_MS))
    },
    async stop() {
      for (const timer of timers) clearInterval(timer)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function drained(request: IncomingMessage): Promise<void> {
  for await (const _ of request);
}
