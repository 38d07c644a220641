/** What an outage is met with: 1.2 × its requests and the reserves, whatever fails, for a cell and for a tenant. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { describe, test } from 'node:test'
import { send } from '../testing/client.ts'
import type { FakeCell } from '../testing/fake-cell.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

const REQUESTS = 400

/** Retries a second for each budget beyond its ratio; ten seconds' worth may come at once. */
const RESERVE_PER_SECOND = 1
const WINDOW_SECONDS = 10

type Outage = (cell: FakeCell) => Promise<void>

const OUTAGES: Record<string, Outage> = {
  'answers 503': async (cell) => {
    cell.answer = (_seen, response) => response.writeHead(503).end()
  },
  'closes the connection': async (cell) => {
    cell.answer = (_seen, response) => response.socket!.destroy()
  },
  'is gone': (cell) => cell.kill(),
}

const REPEATABLE = {
  reads: { method: 'GET', headers: [] },
  'POSTs with an Idempotency-Key': { method: 'POST', headers: ['idempotency-key', 'k'], body: '{}' },
}

/** Requests and attempts of an outage of every cell, and how long it took. */
async function meet(
  outage: Outage,
  sent: { method: string; headers: string[]; body?: string },
  tenantOf: (fleet: FakeFleet, i: number) => string,
): Promise<{ attempts: number; seconds: number; cells: number }> {
  const fleet = await startFakeFleet()
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  try {
    const { port, adminPort } = await fleet.startRouter()
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await Promise.all(fleet.cells.map(outage))
    const startedAt = performance.now()
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, (_, i) =>
        send(port, { ...sent, headers: ['x-tenant', tenantOf(fleet, i), ...sent.headers], agent }),
      ),
    )
    const seconds = (performance.now() - startedAt) / 1000
    assert.ok(answers.every(({ status }) => status >= 500))
    const metrics = (await send(adminPort, { path: '/metrics' })).text
    const counts = [...metrics.matchAll(/^cellplane_router_requests_total\{.*\} (\d+)$/gm)]
    const attempts = counts.reduce((sum, [, count]) => sum + Number(count), 0)
    return { attempts, seconds, cells: fleet.cells.length }
  } finally {
    agent.destroy()
    await fleet.stop()
  }
}

const reserve = (budgets: number, seconds: number) =>
  (WINDOW_SECONDS + seconds) * RESERVE_PER_SECOND * budgets

describe('in a total outage', { concurrency: 3 }, () => {
  for (const [what, outage] of Object.entries(OUTAGES)) {
    for (const [kind, sent] of Object.entries(REPEATABLE)) {
      test(`where every cell ${what}, the cells get at most 1.2 × the ${kind}, and a reserve each`, async () => {
        const { attempts, seconds, cells } = await meet(outage, sent, (_fleet, i) => `t-${i % 40}`)
        const attemptsMax = 1.2 * REQUESTS + reserve(cells, seconds)
        assert.ok(
          attempts > REQUESTS && attempts <= attemptsMax,
          `${attempts} attempts, at most ${attemptsMax}`,
        )
      })

      test(`where every cell ${what}, one tenant’s ${kind} cause at most 1.2 × themselves, and one reserve`, async () => {
        const { attempts, seconds } = await meet(outage, sent, (fleet) => fleet.tenantOn(0, 1))
        const attemptsMax = 1.2 * REQUESTS + reserve(1, seconds)
        assert.ok(
          attempts > REQUESTS && attempts <= attemptsMax,
          `${attempts} attempts, at most ${attemptsMax}`,
        )
      })
    }
  }
})
