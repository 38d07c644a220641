/**
 * The paths that the kit answers for the service: health, metrics, and what the cell still holds.
 *
 * They are for whoever runs the cell (agent, prober, Prometheus), not for tenants. A request that came through a router is
 * a tenant's, so these paths do not exist for it; otherwise every customer could read the cell's metrics and, because a
 * router shows its secret with everything that it forwards, its holdings too.
 */
import { HEADERS, HOLDINGS_PATH, type Holdings } from '@cellplane/contract/cell'
import { answerOf } from '../admission/admit.ts'
import { type HeaderSource, readHeader } from '../admission/header-source.ts'
import { requestIdOf } from '../admission/request-id.ts'
import type { RouterSecrets } from '../admission/router-secrets.ts'
import type { CellMetrics } from '../observing/metrics.ts'
import type { HealthCheck } from './health.ts'

export const HEALTH_PATH = '/healthz'
export const METRICS_PATH = '/metrics'

export type Answer = { status: number; headers: Record<string, string>; body: string }

/** Answers one of the kit's own paths; undefined for every other request, which is the service's. */
export type OwnRoutes = (method: string, path: string, headers: HeaderSource) => Promise<Answer | undefined>

export function createOwnRoutes(parts: {
  cell: string
  checkHealth: HealthCheck
  metrics: CellMetrics
  secrets: RouterSecrets
  /** Undefined when the service keeps nothing. */
  holdings: (() => Promise<Holdings>) | undefined
}): OwnRoutes {
  async function health(): Promise<Answer> {
    const found = await parts.checkHealth()
    return json(found.status === 'ok' ? 200 : 503, found)
  }

  async function metrics(): Promise<Answer> {
    const { registry } = parts.metrics
    return { status: 200, headers: { 'content-type': registry.contentType }, body: await registry.metrics() }
  }

  async function holdings(headers: HeaderSource): Promise<Answer> {
    const refuse = (code: 'FORBIDDEN' | 'STORE_UNAVAILABLE' | 'NOT_FOUND', detail: string): Answer => {
      const refused = answerOf(
        { code, detail },
        parts.cell,
        requestIdOf(readHeader(headers, HEADERS.requestId)),
      )
      return { ...json(refused.problem.status, refused.problem), headers: refused.headers }
    }
    const secret = readHeader(headers, HEADERS.secret)
    if (secret === undefined || !(await parts.secrets.accepts(secret))) {
      return refuse('FORBIDDEN', `show the cell’s router secret in ${HEADERS.secret}`)
    }
    if (!parts.holdings) return refuse('NOT_FOUND', 'this service does not say what it holds')
    try {
      return json(200, await parts.holdings())
    } catch {
      return refuse('STORE_UNAVAILABLE', 'what the cell holds cannot be counted at the moment')
    }
  }

  return async (method, path, headers) => {
    if (method !== 'GET' && method !== 'HEAD') return undefined
    if (readHeader(headers, HEADERS.role) !== undefined) return undefined
    if (path === HEALTH_PATH) return health()
    if (path === METRICS_PATH) return metrics()
    if (path === HOLDINGS_PATH) return holdings(headers)
    return undefined
  }
}

function json(status: number, body: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
