import assert from 'node:assert/strict'
import dns from 'node:dns'
import { describe, mock, test } from 'node:test'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { connectRaw, type RawReceived } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { casesOf, type Row } from './specification.ts'

type Ground = {
  fleet: FakeFleet
  /** Sends one request of the tenant, on a connection of its own. */
  ask(line: string): Promise<RawReceived>
  /** A page of the router's own port. */
  // biome-ignore lint/suspicious/noExplicitAny: a test names the fields of the page
  status(): Promise<any>
  tenant: string
}

/** Longer than any test. */
const LATER = () => new Date(Date.now() + 60_000).toISOString()

async function hold({ fleet, tenant, status }: Ground): Promise<void> {
  fleet.publishOverlay({ held: [{ tenant, until: LATER() }] })
  await until('the hold', async () => (await status()).held.tenants.length === 1)
}

/** A system that has no descriptor left when the cell's name is looked up. */
async function askWithoutFiles({ fleet, ask, status }: Ground): Promise<RawReceived> {
  const { lookup } = dns
  const replaced = mock.method(dns, 'lookup', (...values: Parameters<typeof lookup>) => {
    const [name, , callback] = values as unknown as [string, unknown, (error: Error, all: []) => void]
    if (!name.endsWith('.test')) return lookup(...values)
    process.nextTick(callback, Object.assign(new Error('too many open files'), { code: 'EMFILE' }), [])
  })
  try {
    const { version } = fleet.publishBase({
      cells: fleet.buildBase().cells.map((cell) => ({
        ...cell,
        endpoints: { http: cell.endpoints.http.replace('127.0.0.1', `${cell.id}.test`) },
      })),
    })
    await until('the base', async () => (await status()).base.version === version)
    return await ask('GET /')
  } finally {
    replaced.mock.restore()
  }
}

const CASES: Record<string, (ground: Ground) => Promise<RawReceived>> = {
  'router-exhausted': askWithoutFiles,
  'tenant-held-long': async (ground) => {
    await hold(ground)
    return ground.ask('GET /')
  },
  'tenant-held-many': async (ground) => {
    await hold(ground)
    const held = Array.from({ length: 2 }, () => ground.ask('GET /').catch(() => {}))
    await until('two to wait', async () => (await ground.status()).held.requests === 2)
    const refused = await ground.ask('GET /')
    ground.fleet.publishOverlay()
    await Promise.all(held)
    return refused
  },
  'tenant-suspended': async ({ fleet, ask, status }) => {
    for (const cell of fleet.cells) cell.answer = () => void cell.kill()
    await ask('GET /')
    await until('the suspension', async () => (await status()).suspended_tenants.length === 1)
    return ask('GET /')
  },
}

const SHORT_MS = 200
const LONG_MS = 60_000

async function assertRefused(row: Row, run: (ground: Ground) => Promise<RawReceived>): Promise<void> {
  const fleet = await startFakeFleet({ cells: 2 })
  try {
    const hold_timeout_ms = row.id === 'tenant-held-long' ? SHORT_MS : LONG_MS
    const { port, adminPort } = await fleet.startRouter({
      limits: { hold_timeout_ms, held_requests_per_tenant_max: 2 },
    })
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    const tenant = fleet.tenantOn(0, 1)
    const answer = await run({
      fleet,
      tenant,
      status: async () => (await send(adminPort, { path: '/status' })).json,
      async ask(line) {
        const client = await connectRaw(port)
        client.write(`${line} HTTP/1.1\r\nhost: a.test\r\nx-tenant: ${tenant}\r\n\r\n`)
        const [answer] = await client.answers('GET')
        client.destroy()
        return answer!
      },
    })
    assert.equal(answer.status, row.status)
    assert.equal(JSON.parse(answer.body).code, row.code)
    assert.match(answer.head, /^retry-after: [1-9]\d*\r$/m)
    assert.doesNotMatch(answer.head, /^connection: close\r$/m)
  } finally {
    await fleet.stop()
  }
}

// One after the other: one of them replaces the resolver.
describe('refused for the moment:', () => {
  for (const [row, run] of casesOf('Refused for the moment', CASES)) {
    test(`${row.id}: ${row.title}`, () => assertRefused(row, run))
  }
})
