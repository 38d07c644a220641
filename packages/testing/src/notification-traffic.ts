/**
 * Mixed traffic of 200 customers of the notification service: half sends, a fifth lists, the rest reads of what was
 * sent before. Every answer is classified, and everything accepted is remembered by its unique key.
 */
import { HEADERS, PROBLEM_CODES, slotOfId } from '@cellplane/contract'
import type { TestFleet } from './fleet.ts'
import { zipfWeights } from './load.ts'

export const TENANTS = zipfWeights(200).map((weight, i) => ({
  id: `customer-${String(i + 1).padStart(3, '0')}`,
  weight,
}))

const SENDS = 0.5
const LISTS = 0.2
/** The sinks' second port, as the example's fleet file names them. */
const SINKS_HTTP_PORT = 1

const ANSWER_TIMEOUT_MS = 15_000

/** Development tokens, from one call of the CLI. */
export async function issueTokens(
  fleet: TestFleet,
  tenants: readonly string[] = TENANTS.map(({ id }) => id),
): Promise<Map<string, string>> {
  const { tokens } = JSON.parse(await fleet.cli('token', ...tenants, '--json')) as {
    tokens: { tenant: string; token: string }[]
  }
  return new Map(tokens.map(({ tenant, token }) => [tenant, token]))
}

/** Keys under which something arrived at the local sinks, the receiving end of every delivery. */
export async function arrivedKeys(fleet: TestFleet): Promise<Set<string>> {
  const response = await fetch(`http://127.0.0.1:${fleet.ports.local + SINKS_HTTP_PORT}/keys`)
  return new Set((await response.text()).split('\n').filter((line) => line !== ''))
}

export type Traffic = ReturnType<typeof createTraffic>

export function createTraffic(routerUrl: string, tokens: ReadonlyMap<string, string>) {
  const accepted = new Map<string, { tenant: string; id: string }>()
  const answersBy = new Map<string, number>()
  const idsOf = new Map<string, string[]>()
  let sequence = 0

  async function ask(tenant: string, path: string, init: RequestInit = {}) {
    const response = await fetch(`${routerUrl}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${tokens.get(tenant)}`, ...init.headers },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    const cell = response.headers.get(HEADERS.cell) ?? 'none'
    answersBy.set(cell, (answersBy.get(cell) ?? 0) + 1)
    return { response, body: (await response.json()) as Record<string, unknown> }
  }

  async function post(tenant: string): Promise<string> {
    const key = `key-${++sequence}`
    const { response, body } = await ask(tenant, '/v1/notifications', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ channel: 'push', to: 'device-1', body: `hello ${key}` }),
    })
    if (response.status !== 202) return `${response.status} ${String(body['code'])}`
    const id = String(body['id'])
    accepted.set(key, { tenant, id })
    idsOf.set(tenant, [...(idsOf.get(tenant) ?? []).slice(-50), id])
    return 'ok'
  }

  async function read(tenant: string, draw: number): Promise<string> {
    const ids = idsOf.get(tenant)
    if (!ids) return post(tenant)
    const id = ids[Math.floor(draw * ids.length)]!
    const { response, body } = await ask(tenant, `/v1/notifications/${id}`)
    if (response.status === 200) return body['id'] === id ? 'ok' : `wrong notification ${String(body['id'])}`
    const isNamed =
      response.status === PROBLEM_CODES.CELL_UNAVAILABLE[0] &&
      body['code'] === 'CELL_UNAVAILABLE' &&
      response.headers.has('retry-after')
    return isNamed ? `named 503 for slot ${slotOfId(id)}` : `${response.status} ${String(body['code'])}`
  }

  async function list(tenant: string): Promise<string> {
    const { response, body } = await ask(tenant, '/v1/notifications?limit=10')
    return response.status === 200 && Array.isArray(body['items'])
      ? 'ok'
      : `${response.status} ${String(body['code'])}`
  }

  return {
    /** Idempotency keys that were answered 202. */
    accepted,
    /** Answers by the cell that gave them. */
    answersBy,
    async send(tenant: string, draw: number): Promise<{ operation: string; outcome: string }> {
      const operation = draw < SENDS ? 'post' : draw < SENDS + LISTS ? 'list' : 'read'
      try {
        if (operation === 'post') return { operation, outcome: await post(tenant) }
        if (operation === 'list') return { operation, outcome: await list(tenant) }
        return { operation, outcome: await read(tenant, (draw - SENDS - LISTS) / (1 - SENDS - LISTS)) }
      } catch (error) {
        const { name, cause } = error as Error
        return {
          operation,
          outcome: `${name} ${(cause as { code?: string } | undefined)?.code ?? ''}`.trim(),
        }
      }
    },
  }
}
