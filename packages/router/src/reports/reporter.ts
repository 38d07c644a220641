/**
 * Once a second, what this router saw, to the control plane. A report that cannot be delivered is dropped: the counters
 * in it run since the start, so the next one says it again. Nothing waits for a report, and at most one is under way.
 *
 * The answer is this router's shares of limits. It is read up to a size and checked in whole; one that is not as the
 * contract has it is counted, and changes nothing.
 */
import {
  FIGURES_MAX,
  formatProblems,
  parseRouterShares,
  ROUTER_SHARES_BYTES_MAX,
  type RouterReport,
} from '@cellplane/contract'
import type { Cells } from '../cells/cells.ts'
import { monotonicNow } from '../clock.ts'
import type { CrashWatch } from '../decision/crash-watch.ts'
import type { LimitShares } from '../decision/limit-shares.ts'
import type { Tenants } from '../decision/tenants.ts'
import { readBounded } from '../documents/fetch-document.ts'
import { textOf } from '../documents/read-document.ts'
import type { Refusals } from '../documents/refusals.ts'
import type { Topology } from '../documents/topology-follower.ts'
import { request } from '../node-http.ts'
import { errorsShareOf, formatFigures } from './tenant-figures.ts'

export type ReporterOptions = {
  /** Base URL of the control plane. */
  url: string
  bearerToken: string
  router: string
  cells: Cells
  refusals: Refusals
  tenants: Pick<Tenants, 'takeBusiest' | 'takeArrivals' | 'attemptsOf'>
  crashes: Pick<CrashWatch, 'charged'>
  shares: Pick<LimitShares, 'take'>
  currentTopology(): Topology | null
}

export type Reporter = {
  readonly dropped: number
  /** Answers that were not shares. */
  readonly refusedShares: number
  readonly lastSharesRefusal: string | null
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
  let refusedShares = 0
  let lastSharesRefusal: string | null = null
  let countedSince = monotonicNow()
  let underWay: Promise<void> | null = null

  async function send(): Promise<void> {
    try {
      const response = await request(`${options.url}/v1/reports/router`, {
        method: 'POST',
        headers: { authorization: `Bearer ${options.bearerToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(takeReport()),
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
      })
      // 204: a control plane of before there were shares.
      if (response.status === 200) {
        const chunks = await readBounded(response, ROUTER_SHARES_BYTES_MAX)
        return takeShares(chunks && textOf(chunks))
      }
      if (response.status === 204) return
      response.discard()
      dropped++
    } catch {
      dropped++
    }
  }

  function takeReport(): RouterReport {
    const now = monotonicNow()
    const ms = Math.max(1, Math.round(now - countedSince))
    countedSince = now
    return compileReport(options, startedAt, ms)
  }

  function takeShares(text: string | undefined): void {
    const shares = text === undefined ? null : parseRouterShares(text)
    if (shares?.ok) return options.shares.take(shares.value)
    refusedShares++
    lastSharesRefusal = shares
      ? formatProblems(shares.problems)
      : `the answer to a report is too large; at most ${ROUTER_SHARES_BYTES_MAX} bytes are read`
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
    get refusedShares() {
      return refusedShares
    },
    get lastSharesRefusal() {
      return lastSharesRefusal
    },
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await underWay
    },
  }
}

/** `ms`: the time in which what it takes of tenants and arrivals was counted. */
function compileReport(options: ReporterOptions, startedAt: string, ms: number): RouterReport {
  const { cells, refusals } = options
  const figures = cells.figures.read(FIGURES_MAX, monotonicNow())
  const topology = options.currentTopology()
  return {
    router: options.router,
    started_at: startedAt,
    at: new Date().toISOString(),
    base: heldDocument(topology?.snapshot.base),
    overlay: heldDocument(topology?.overlay),
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
        durations: [...counters.durations],
        duration_sum_ms: counters.durationSumS * 1_000,
        saturation: [...counters.saturation],
        one_tenant_errors_share: errorsShareOf(figures.cells.get(slot)),
      }
    }),
    tenants: options.tenants.takeBusiest(TENANTS_MAX),
    arrivals: {
      ms,
      cells: Array.from(cells.takeArrivals(), ([slot, requests]) => ({ slot, requests })),
      tenants: Array.from(options.tenants.takeArrivals(TENANTS_MAX), ([tenant, requests]) => ({
        tenant,
        requests,
      })),
    },
    tenant_figures: formatFigures(options, figures),
  }
}

/** With the signature, which says which content: a version that a restored store gave twice is two documents. */
function heldDocument(
  document: { epoch: number; version: number; signature: { value: string } } | null | undefined,
): RouterReport['base'] {
  if (!document) return null
  const { epoch, version, signature } = document
  return { epoch, version, signature: signature.value }
}
