/**
 * An open-loop load: so many requests a second, whether or not those before were answered. Clients of a service do not
 * wait for each other; a loop that waits would slow down with the fault that it is to see, and see little of it.
 *
 * Every answer is checked: it must come from a cell of the tenant's shard and repeat the path and the tenant, so that a
 * router that mixes up two answers fails here too. What is under way is bounded: beyond that nothing is sent, and what
 * is waited for shows as slow.
 */
import { Agent } from 'node:http'
import { type Received, send } from '../testing/client.ts'
import { until } from '../testing/wait.ts'

export type LoadOptions = {
  port: number
  perSecond: number
  tenants: readonly string[]
  /** Ids of the cells that may answer. */
  cells: readonly string[]
  method?: string
  headers?: readonly string[]
  /** Connections are kept and used in turn; false opens one for each request. */
  keepsConnections?: boolean
  /** More are never opened; beyond it requests wait for a free one. */
  connectionsMax?: number
}

export type Seen = {
  requests: number
  /** `ok`, or what came instead: `503 CELL_UNAVAILABLE`, `ECONNRESET`. */
  outcomes: Record<string, number>
  /** Good answers by cell. */
  byCell: Record<string, number>
  slowestMs: number
  medianMs: number
}

export type Load = {
  /** Waits until `count` requests that are yet to begin have ended; what became of all that began meanwhile. */
  during(count: number): Promise<Seen>
  /** Sends no more, waits for what is under way; what became of all since the start. */
  stop(): Promise<Seen>
}

type Ended = { nth: number; outcome: string; cell: string; ms: number }

const TICK_MS = 10
/** What was held up is not made up for beyond this: on a machine without time to spare it would never end. */
const BURST_MAX = 10
const UNDER_WAY_MAX = 100
/** Kept free: few enough that each is used several times a second. */
const FREE_CONNECTIONS_MAX = 8

export function startLoad(options: LoadOptions): Load {
  const { perSecond, keepsConnections = true, connectionsMax = UNDER_WAY_MAX } = options
  const agent = new Agent({
    keepAlive: keepsConnections,
    maxSockets: connectionsMax,
    maxFreeSockets: FREE_CONNECTIONS_MAX,
    scheduling: 'fifo',
  })
  const ended: Ended[] = []
  let sent = 0
  let startedAt = performance.now()

  async function request(nth: number): Promise<void> {
    const began = performance.now()
    const tenant = options.tenants[nth % options.tenants.length]!
    const { outcome, cell } = await outcomeOf(options, agent, tenant, `/load/${nth}`)
    ended.push({ nth, outcome, cell, ms: performance.now() - began })
  }

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000)
    const last = Math.min(due, sent + BURST_MAX, ended.length + UNDER_WAY_MAX)
    startedAt += ((due - last) * 1000) / perSecond
    while (sent < last) void request(sent++)
  }, TICK_MS)

  return {
    async during(count) {
      const first = sent
      const since = () => ended.filter(({ nth }) => nth >= first)
      await until(`${count} more requests to end`, () => since().length >= count)
      return summarise(since())
    },
    async stop() {
      clearInterval(timer)
      await until('the requests under way to end', () => ended.length === sent)
      agent.destroy()
      return summarise(ended)
    },
  }
}

async function outcomeOf(
  { port, method = 'GET', headers = [], cells }: LoadOptions,
  agent: Agent,
  tenant: string,
  path: string,
): Promise<{ outcome: string; cell: string }> {
  let answer: Received
  try {
    answer = await send(port, { method, path, agent, headers: ['x-tenant', tenant, ...headers] })
  } catch (error) {
    return { outcome: (error as NodeJS.ErrnoException).code ?? String(error), cell: '' }
  }
  const { status, json } = answer
  if (status !== 200) return { outcome: `${status} ${json?.code ?? ''}`.trim(), cell: '' }
  const isEcho = json?.path === path && json.headers['cellplane-tenant'] === tenant
  if (!isEcho) return { outcome: `not the answer to ${path} of ${tenant}: ${answer.text}`, cell: '' }
  if (!cells.includes(json.cell)) return { outcome: `from ${json.cell}, not of the shard`, cell: '' }
  return { outcome: 'ok', cell: json.cell }
}

function summarise(ended: readonly Ended[]): Seen {
  const times = ended.map(({ ms }) => ms).sort((a, b) => a - b)
  return {
    requests: ended.length,
    outcomes: countBy(ended, ({ outcome }) => outcome),
    byCell: countBy(
      ended.filter(({ cell }) => cell !== ''),
      ({ cell }) => cell,
    ),
    slowestMs: Math.round(times.at(-1) ?? 0),
    medianMs: Math.round(times[times.length >> 1] ?? 0),
  }
}

function countBy<T>(items: readonly T[], nameOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1
  return counts
}
