/**
 * The admin port: metrics, health and explanations. It is for operators and probes, unauthenticated, and meant for
 * loopback; it shows the names of cells and asks for a key to explain one, and holds no secret.
 *
 *     GET /healthz       200 while the process runs
 *     GET /readyz        200 once a topology was accepted, 503 before, until the public port is open, and while it stops
 *     GET /metrics       Prometheus text
 *     GET /status        versions, refusals and cells as JSON
 *     GET /explain?key=  why the requests of a key go where they go
 */
import type { AddressInfo } from 'node:net'
import { PROBLEM_CONTENT_TYPE, type ProblemCode, problemDetails } from '@cellplane/contract'
import { createServer } from '../node-http.ts'
import { explainKey } from './explanation.ts'
import { formatMetrics } from './metrics-page.ts'
import type { RouterState } from './router-state.ts'
import { tlsStatus } from './tls-status.ts'

export type AdminServer = {
  readonly port: number
  /** From now on the process is not ready, although it still serves. */
  beginStop(): void
  stop(): Promise<void>
}

export async function startAdminServer(
  state: RouterState,
  listen: { host: string; port: number },
): Promise<AdminServer> {
  let isStopping = false
  const server = createServer((request, response) => {
    const { status, contentType, body } = answer(state, isStopping, request.method ?? '', request.url ?? '')
    response.writeHead(status, { 'content-type': contentType }).end(body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // A connection that could not be accepted is no reason to stop routing; who asks here asks again.
  server.on('error', () => {})
  return {
    port: (server.address() as AddressInfo).port,
    beginStop() {
      isStopping = true
    },
    stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

type Page = { status: number; contentType: string; body: string }

/** Never throws: who looks at a router must not be able to take it down. */
function answer(state: RouterState, isStopping: boolean, method: string, target: string): Page {
  const url = URL.parse(target, 'http://admin')
  if (!url) return problemPage('INVALID_REQUEST', 'the request target is not a URL')
  if (method !== 'GET' && method !== 'HEAD') {
    return problemPage('METHOD_NOT_ALLOWED', `found ${method}; expected GET`)
  }
  try {
    return pageOf(state, isStopping, url)
  } catch (error) {
    return problemPage('INTERNAL', `the page could not be made: ${(error as Error).message}`)
  }
}

function pageOf(state: RouterState, isStopping: boolean, url: URL): Page {
  switch (url.pathname) {
    case '/healthz':
      return jsonPage({ status: 'ok' })
    case '/readyz':
      if (isStopping) return problemPage('OVERLOADED', 'this router is stopping')
      if (state.holds() === null) return problemPage('NO_TOPOLOGY', 'this router is starting')
      return state.currentView()
        ? jsonPage({ status: 'ready' })
        : problemPage('NO_TOPOLOGY', 'no topology was accepted yet')
    case '/metrics':
      return {
        status: 200,
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: formatMetrics(state),
      }
    case '/status':
      return jsonPage(statusOf(state))
    case '/explain':
      return explanationPage(state, url.searchParams.get('key') ?? '')
    default:
      return problemPage('NOT_FOUND', 'expected /healthz, /readyz, /metrics, /status or /explain?key=')
  }
}

function explanationPage(state: RouterState, key: string): Page {
  const view = state.currentView()
  if (!view) return problemPage('NO_TOPOLOGY', 'no topology was accepted yet')
  const explanation = explainKey(state, view, key)
  return typeof explanation === 'string'
    ? problemPage('PARTITION_KEY_INVALID', explanation)
    : jsonPage(explanation)
}

function statusOf(state: RouterState) {
  const { cells, crashes, refusals, traffic } = state
  const topology = state.currentTopology()
  const summary = (document: { epoch: number; version: number; issued_at: string } | null | undefined) =>
    document ? { epoch: document.epoch, version: document.version, issued_at: document.issued_at } : null
  return {
    router: state.router,
    fleet: state.fleet,
    started_at: state.startedAt,
    base: summary(topology?.snapshot.base),
    overlay: summary(topology?.overlay),
    health_marks_ignored_because: cells.marksIgnoredBecause,
    control_plane_seen_at: timeOf(state.controlPlaneSeenAt()),
    object_store: objectStoreOf(state),
    refused_documents: refusals.counts,
    last_refusal: refusals.last,
    in_flight: traffic.inFlight,
    suspended_tenants: crashes.suspensions.map(({ tenant, since, until, crashes }) => ({
      tenant,
      since: new Date(since).toISOString(),
      until: new Date(until).toISOString(),
      crashes,
    })),
    shares: sharesOf(state),
    held: heldOf(state),
    tls: tlsStatus(state),
    cells: cells.arrays.cells.map(({ id, slot, index, inFlight, share }) => ({
      cell: id,
      slot,
      fitness: cells.arrays.fitness[index]! / 255,
      is_ejected: cells.isEjected(index),
      is_marked_unhealthy: cells.isMarked(index),
      in_flight: inFlight,
      share,
    })),
  }
}

/** Tenants by name, as many as an answer to a report may name; those that are not here have their whole cap. */
function objectStoreOf(state: RouterState) {
  const store = state.objectStore()
  return store && { seen_at: timeOf(store.seenAt), failures: store.failures, failure: store.failure }
}

const timeOf = (at: number | null) => (at === null ? null : new Date(at).toISOString())

function sharesOf({ shares, reporter }: RouterState) {
  const { inForce } = shares
  return {
    routers: inForce?.routers ?? null,
    told_at: inForce ? new Date(inForce.toldAt).toISOString() : null,
    tenants: Array.from(inForce?.tenants ?? [], ([tenant, share]) => ({ tenant, share })),
    refused: reporter.refusedShares,
    last_refusal: reporter.lastSharesRefusal,
  }
}

/** Tenants whose home is being switched, as the overlay says, and what waits for it here. */
function heldOf(state: RouterState) {
  const view = state.currentView()
  const holds = state.holds()
  return {
    tenants: Array.from(view?.held.until ?? [], ([tenant, until]) => ({
      tenant,
      until: new Date(until).toISOString(),
    })),
    ignored_because: view?.held.ignoredBecause ?? '',
    requests: holds?.waiting ?? 0,
    bytes: holds?.bytes ?? 0,
  }
}

function jsonPage(body: unknown): Page {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(body) }
}

function problemPage(code: ProblemCode, detail: string): Page {
  const problem = problemDetails(code, detail)
  return { status: problem.status, contentType: PROBLEM_CONTENT_TYPE, body: JSON.stringify(problem) }
}
