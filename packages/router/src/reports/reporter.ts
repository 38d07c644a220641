/**
 * Once a second, what this router saw, to the control plane. A report that cannot be delivered is dropped: the counters
 * in it run since the start, so the next one says it again. Nothing waits for a report, and at most one is under way.
 */
import type { RouterReport } from '@cellplane/contract'
import type { Cells } from '../cells/cells.ts'
import type { Tenants } from '../decision/tenants.ts'
import type { Refusals } from '../documents/refusals.ts'
import type { Topology } from '../documents/topology-follower.ts'

export type ReporterOptions = {
  /** Base URL of the control plane. */
  url: string
  bearerToken: string
  router: string
  cells: Cells
  refusals: Refusals
  tenants: Pick<Tenants, 'takeBusiest'>
  currentTopology(): Topology | null
}

export type Reporter = {
  readonly dropped: number
  stop(): Promise<void>
}

const REPORT_MS = 1_000
const SEND_TIMEOUT_MS = 2_000

/** As many as a report may hold. */
const TENANTS_MAX = 256

export function startReporter(options: ReporterOptions): Reporter {
  const startedAt = new Date().toISOString()
  const stopping = new AbortController()
  let dropped = 0
  let underWay: Promise<void> | null = null

  async function send(): Promise<void> {
    try {
      const response = await fetch(`${options.url}/v1/reports/router`, {
        method: 'POST',
        headers: { authorization: `Bearer ${options.bearerToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(compileReport(options, startedAt)),
        redirect: 'error',
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
      })
      await response.body?.cancel()
      if (!response.ok) dropped++
    } catch {
      dropped++
    }
  }

  const timer = setInterval(() => {
    if (underWay) {
      dropped++
      return
    }
    underWay = send().finally(() => {
      underWay = null
    })
  }, REPORT_MS)

  return {
    get dropped() {
      return dropped
    },
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await underWay
    },
  }
}

function compileReport(options: ReporterOptions, startedAt: string): RouterReport {
  const { cells, refusals } = options
  const topology = options.currentTopology()
  const versionOf = (document: { epoch: number; version: number } | null | undefined) =>
    document ? { epoch: document.epoch, version: document.version } : null
  return {
    router: options.router,
    started_at: startedAt,
    at: new Date().toISOString(),
    base: versionOf(topology?.snapshot.base),
    overlay: versionOf(topology?.overlay),
    refused_documents: refusals.total,
    last_refusal: refusals.last,
    cells: cells.arrays.cells.map(({ slot, index, inFlight, counters }) => {
      const { attempts, connectFailures } = counters
      return {
        slot,
        requests: attempts.reduce((sum, count) => sum + count, 0),
        errors: attempts[0]! + attempts[5]!,
        connect_failures: connectFailures,
        in_flight: inFlight,
        is_ejected: cells.isEjected(index),
      }
    }),
    tenants: options.tenants.takeBusiest(TENANTS_MAX),
  }
}
