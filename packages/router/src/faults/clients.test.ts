import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { send } from '../testing/client.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { sendCrowd, startCountingCell } from './crowd.ts'
import { publishCellAt } from './faulty-cell.ts'
import { assertUnharmed, onGround, startReadyRouter } from './ground.ts'
import { onProcesses } from './processes.ts'
import { faultsOf } from './specification.ts'

type Fault = (t: TestContext) => Promise<void>

const MEANWHILE = 40
const MIB = 1024 * 1024

const TENANTS = 100_000
/** What a process may grow by: its young generation, and what it remembers of the tenants that it tracks. */
const TENANTS_BYTES_MAX = 200 * MIB

const SLOW_CLIENTS = 2_000
const SLOW_CLIENTS_BYTES_MAX = 100 * MIB
const AT_ONCE = 100

const HALF_A_HEAD = 'GET / HTTP/1.1\r\nhost: a.test\r\nx-ten'

/** Clients that have sent half a head. */
async function connectSlow(port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < count) {
    const more = Math.min(AT_ONCE, count - clients.length)
    clients.push(...(await Promise.all(Array.from({ length: more }, () => connectRaw(port)))))
    for (const client of clients.slice(-more)) client.write(HALF_A_HEAD)
  }
  return clients
}

const FAULTS: Record<string, Fault> = {
  'tenants-100000': (t) =>
    onProcesses(async ({ fleet, load, spawn }) => {
      const cell = await startCountingCell()
      try {
        publishCellAt(fleet, cell.url, 0, 1, 2, 3)
        const router = await spawn()
        const others = load(router.port, 'others')
        await others.during(MEANWHILE)
        const before = await router.probe()
        const startedAt = performance.now()
        const statuses = await sendCrowd(router.port, TENANTS)
        const seconds = (performance.now() - startedAt) / 1000
        const after = await router.probe()
        const grownBytes = after.rssBytes - before.rssBytes
        t.diagnostic(
          `${TENANTS} tenants in ${seconds.toFixed(1)} s: ${Math.round(grownBytes / MIB)} MiB more, the event loop held up for ${after.stallMaxMs} ms at most`,
        )
        assert.deepEqual(statuses, { 200: TENANTS })
        assert.ok(grownBytes < TENANTS_BYTES_MAX, `${grownBytes} bytes more`)
        assertUnharmed(t, 'others', await others.stop())
      } finally {
        await cell.stop()
      }
    }),
  'slowloris-2000': (t) =>
    onProcesses(async ({ load, spawn }) => {
      const router = await spawn()
      const others = load(router.port, 'others')
      const fresh = load(router.port, 'others', { keepsConnections: false })
      await others.during(MEANWHILE)
      const before = await router.probe()
      const slow = await connectSlow(router.port, SLOW_CLIENTS)
      try {
        assertUnharmed(t, 'others', await others.during(MEANWHILE))
        const { rssBytes } = await router.probe()
        const grownBytes = rssBytes - before.rssBytes
        t.diagnostic(`${slow.length} slow clients: ${Math.round(grownBytes / MIB)} MiB more`)
        assert.ok(grownBytes < SLOW_CLIENTS_BYTES_MAX, `${grownBytes} bytes more`)
        assert.ok(slow.every(({ hasEnded }) => !hasEnded))
      } finally {
        for (const client of slow) client.destroy()
      }
      assertUnharmed(t, 'others on kept connections, all the while', await others.stop())
      assertUnharmed(t, 'others on new connections, all the while', await fresh.stop())
    }),
  'connections-full': (t) =>
    onGround(async ({ fleet, load }) => {
      const connections_max = 40
      const { port } = await startReadyRouter(fleet, { limits: { connections_max, head_timeout_ms: 3_000 } })
      // One connection, open before the others come: a second one, opened by a load that is held up, would be turned away.
      const others = load(port, 'others', { connectionsMax: 1 })
      await others.during(MEANWHILE)
      const slow = await connectSlow(port, connections_max)
      // Who has a connection keeps it; who comes is turned away without an answer.
      await until('a new client to be turned away', async () => {
        const refused = await send(port).catch((error: NodeJS.ErrnoException) => error.code)
        return refused === 'ECONNRESET'
      })
      assertUnharmed(t, 'others on connections that stand', await others.during(MEANWHILE))
      await until('the slow clients to be sent away', () => slow.every(({ hasEnded }) => hasEnded))
      // A client sees its end before the router has counted it.
      await until('a new client to be served', async () => {
        const answer = await send(port).catch(() => undefined)
        return answer?.status === 200
      })
      assertUnharmed(t, 'others, all the while', await others.stop())
    }),
  'clients-garbage': (t) =>
    onGround(async ({ fleet, load }) => {
      const { port } = await startReadyRouter(fleet)
      const others = load(port, 'others')
      await others.during(MEANWHILE)
      for (let round = 0; round < 4; round++) {
        const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => connectRaw(port)))
        for (const client of clients) client.write(randomBytes(2_000).toString('latin1'))
        await Promise.all(clients.map((client) => client.closed()))
        // Refused, or closed without a word where the first bytes were an empty line; never passed on.
        for (const { received } of clients) assert.match(received, /^HTTP\/1\.1 (400|431|505) |^$/)
      }
      assertUnharmed(t, 'others', await others.stop())
    }),
}

// Each has a fleet of its own.
describe('whatever clients do, others are served:', { concurrency: 4 }, () => {
  for (const [name, fault] of faultsOf('Clients', FAULTS)) test(name, fault)
})
