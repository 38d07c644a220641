import assert from 'node:assert/strict'
import dns, { type LookupAddress } from 'node:dns'
import { describe, mock, type TestContext, test } from 'node:test'
import type { RouterOptions } from '../testing/fake-fleet.ts'
import type { RawCell, RawConnection } from '../testing/raw-cell.ts'
import { until } from '../testing/wait.ts'
import { echo, publishCellAt, startDeafPort, startFaultyCell, whole } from './faulty-cell.ts'
import { assertOnly, assertUnharmed, onGround, startReadyRouter, statusOf } from './ground.ts'
import type { Load, Seen } from './load.ts'
import { faultsOf } from './specification.ts'

type Fault = (t: TestContext) => Promise<void>

type CellFault = {
  limits: RouterOptions['limits']
  /** Called with each request that reaches the cell. */
  answer: (request: string, connection: RawConnection) => string | undefined
  /** What may become of the victims' requests while the cell is still in use. */
  outcomes: readonly string[]
}

const MEANWHILE = 40

/** Second attempts to requests, and as many as a quiet cell has at once: the budgets' policy. */
const RETRIES = { ratio: 0.2, reserve: 10 }

/** Short enough to meet several times, and longer than a busy machine keeps a well cell waiting. */
const SOON_MS = 1_000

/** As the system's resolver gives up, shortened. */
const HANGING_MS = 1_500
/** Half of Node's threads, in each of two routers. */
const LOOKUPS_MAX = 2

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** One byte a second, for as long as the connection stands. */
function trickle(connection: RawConnection, text: string): void {
  let at = 0
  const timer = setInterval(() => {
    if (!connection.isOpen || at === text.length) clearInterval(timer)
    else connection.write(text[at++]!)
  }, 1_000)
}

async function isEjected(router: { adminPort: number }): Promise<boolean> {
  return (await statusOf(router)).cells[0].is_ejected
}

/** A cell fails; its own tenants are moved to the alternate, and back when it is well again. */
const failing =
  ({ limits, answer, outcomes }: CellFault): Fault =>
  (t) =>
    onGround(async ({ fleet, load }) => {
      let isWell = true
      const cell = await startFaultyCell(fleet, (request, connection) =>
        isWell ? whole(request) : answer(request, connection),
      )
      try {
        const router = await startReadyRouter(fleet, { limits: limits ?? {} })
        const [others, neighbours] = [
          load(router.port, 'others'),
          load(router.port, 'neighbours', { perSecond: 10 }),
        ]
        const victims = load(router.port, 'victims', { perSecond: 20 })
        assertUnharmed(t, 'victims, before', await victims.during(10))
        isWell = false
        await until('the cell to be ejected', () => isEjected(router))
        assertUnharmed(t, 'others', await others.during(MEANWHILE))
        assertOnly(t, 'victims', await victims.during(20), ['ok', ...outcomes])
        isWell = true
        await assertHome(victims)
        const all = await victims.stop()
        assertOnly(t, 'victims, all the while', all, ['ok', ...outcomes])
        assertAttemptsBounded(cell, all)
        assertUnharmed(t, 'others, all the while', await others.stop())
        assertUnharmed(t, 'neighbours, all the while', await neighbours.stop())
      } finally {
        await cell.stop()
      }
    })

/** What a failing cell adds to the load of its neighbours stays within the budget. */
function assertAttemptsBounded(cell: RawCell, { requests, byCell }: Seen): void {
  const atHome = cell.requests.filter((request) => request.includes('cellplane-role: home')).length
  const attempts = atHome + (byCell['cell-1'] ?? 0)
  const attemptsMax = requests * (1 + RETRIES.ratio) + RETRIES.reserve
  assert.ok(attempts <= attemptsMax, `${attempts} attempts for ${requests} requests`)
}

const FAULTS: Record<string, Fault> = {
  'cell-silent': failing({
    limits: { response_timeout_ms: SOON_MS },
    answer: () => undefined,
    outcomes: ['504 UPSTREAM_TIMEOUT'],
  }),
  'cell-head-trickles': failing({
    limits: { response_timeout_ms: SOON_MS },
    answer(request, connection) {
      trickle(connection, whole(request))
      return undefined
    },
    outcomes: ['504 UPSTREAM_TIMEOUT'],
  }),
  'cell-resets': failing({
    limits: {},
    answer(_request, connection) {
      connection.reset()
      return undefined
    },
    outcomes: ['502 UPSTREAM_INVALID'],
  }),
  'cell-head-then-silence': failing({
    limits: { idle_timeout_ms: SOON_MS },
    answer: (request) => echo(request).head,
    // The client sees its connection cut: an answer that has begun can neither be completed nor be made up.
    outcomes: ['ECONNRESET'],
  }),
  'cell-body-trickles': (t) =>
    onGround(async ({ fleet, load }) => {
      const inFlightMax = 8
      let underWay = 0
      let underWayMax = 0
      const cell = await startFaultyCell(fleet, (request, connection) => {
        const { head, body } = echo(request)
        underWayMax = Math.max(underWayMax, ++underWay)
        trickle(connection, body)
        return head
      })
      try {
        const router = await startReadyRouter(fleet, { limits: { sockets_per_cell_max: inFlightMax } })
        // However slow the machine is, they never have as many under way as that limit.
        const others = load(router.port, 'others', { connectionsMax: inFlightMax / 2 })
        const victims = load(router.port, 'victims', { perSecond: 20 })
        await until('it to have as many as it is given', () => underWay === inFlightMax)
        assertUnharmed(t, 'others', await others.during(MEANWHILE))
        assertOnly(t, 'victims', await victims.during(20), ['ok', '503 OVERLOADED'])
        assert.equal(underWayMax, inFlightMax)
        assertUnharmed(t, 'others, all the while', await others.stop())
      } finally {
        await cell.stop()
      }
    }),
  // A connection is given ten requests, and is closed when the eleventh is on its way.
  'cell-closes-kept': (t) =>
    onGround(async ({ fleet, load }) => {
      let cuts = 0
      const cell = await startFaultyCell(fleet, (request, connection) => {
        if (connection.requests.length <= 10) return whole(request)
        cuts++
        connection.reset()
        return undefined
      })
      try {
        const router = await startReadyRouter(fleet)
        const others = load(router.port, 'others')
        const readers = load(router.port, 'victims')
        const untilFourMore = (what: string) => {
          const before = cuts
          return until(`${what} to be cut off`, () => cuts >= before + 4)
        }
        await untilFourMore('reads')
        assertUnharmed(t, 'victims that read', await readers.stop())
        const careful = { method: 'POST', headers: ['idempotency-key', 'a'] }
        const keyed = load(router.port, 'victims', careful)
        await untilFourMore('writes with a key')
        assertUnharmed(t, 'victims that write with a key', await keyed.stop())
        const writers = load(router.port, 'victims', { method: 'POST' })
        await untilFourMore('writes without a key')
        const written = await writers.stop()
        assertOnly(t, 'victims that write without one', written, ['ok', '502 UPSTREAM_INVALID'])
        assert.ok(written.outcomes['502 UPSTREAM_INVALID']! >= 1)
        assert.equal(await isEjected(router), false)
        assertUnharmed(t, 'others, all the while', await others.stop())
      } finally {
        await cell.stop()
      }
    }),
  'cell-deaf': (t) =>
    onGround(async ({ fleet, load }) => {
      const deaf = await startDeafPort()
      try {
        const well = fleet.cells[0]!.url
        publishCellAt(fleet, deaf.url)
        const router = await startReadyRouter(fleet, { limits: { connect_timeout_ms: SOON_MS } })
        const others = load(router.port, 'others')
        // Nothing was sent, so writes without a key go to the alternate as well.
        const victims = load(router.port, 'victims', { perSecond: 20, method: 'POST' })
        await until('the cell to be ejected', () => isEjected(router))
        assertUnharmed(t, 'others', await others.during(MEANWHILE))
        assertOnly(t, 'victims', await victims.during(20), ['ok', '503 SHARD_UNAVAILABLE'])
        publishCellAt(fleet, well)
        await assertHome(victims)
        assertOnly(t, 'victims, all the while', await victims.stop(), ['ok', '503 SHARD_UNAVAILABLE'])
        assertUnharmed(t, 'others, all the while', await others.stop())
      } finally {
        await deaf.stop()
      }
    }),
  'dns-gone': (t) =>
    onGround(async ({ fleet, load }) => {
      // Each request needs a connection of its own, and with it an address.
      for (const cell of fleet.cells.slice(0, 2)) {
        const { answer } = cell
        cell.answer = (seen, response) => answer(seen, response.setHeader('connection', 'close'))
      }
      const named = fleet.buildBase().cells.map((cell) => {
        const http = cell.endpoints.http.replace('127.0.0.1', `${cell.id}.test`)
        return cell.slot < 2 ? { ...cell, endpoints: { http } } : cell
      })
      fleet.publishBase({ cells: named })
      const resolver = startResolver()
      try {
        const router = await startReadyRouter(fleet)
        const [others, victims] = [load(router.port, 'others'), load(router.port, 'victims')]
        assertUnharmed(t, 'those of cells with a name, before', await victims.during(MEANWHILE))
        resolver.isGone = true
        await until('the resolver to have failed', () => resolver.failed > 0)
        assertUnharmed(t, 'those of cells with a name', await victims.during(MEANWHILE))
        assertUnharmed(t, 'others, all the while', await others.stop())
        assertUnharmed(t, 'those of cells with a name, all the while', await victims.stop())
        // One that starts now knows no address. It says so, in time, and for the cells with a name only.
        const next = await fleet.startRouter({ router: 'router-2', limits: { connect_timeout_ms: SOON_MS } })
        await until('a topology', async () => (await statusOf(next)).base)
        const [newcomers, lost] = [load(next.port, 'others'), load(next.port, 'victims', { perSecond: 20 })]
        assertOnly(t, 'those of cells with a name, at a new process', await lost.during(20), [
          '503 SHARD_UNAVAILABLE',
        ])
        assert.ok(resolver.underWayMax <= 2 * LOOKUPS_MAX, `${resolver.underWayMax} look-ups at once`)
        resolver.isGone = false
        await assertHome(lost)
        assertUnharmed(t, 'others at a new process', await newcomers.stop())
      } finally {
        resolver.stop()
      }
    }),
}

/** Stands in for the machine's resolver, which a test cannot break. One that is gone is waited for and then fails. */
function startResolver() {
  let underWay = 0
  const resolver = {
    isGone: false,
    failed: 0,
    underWayMax: 0,
    stop: () => replaced.mock.restore(),
  }
  const answer = (isGone: boolean, callback: LookupCallback) => {
    underWay--
    if (!isGone) return callback(null, [{ address: '127.0.0.1', family: 4 }])
    resolver.failed++
    callback(Object.assign(new Error('no resolver'), { code: 'EAI_AGAIN', syscall: 'getaddrinfo' }), [])
  }
  const { lookup } = dns
  const replaced = mock.method(
    dns,
    'lookup',
    (name: string, options: dns.LookupAllOptions, callback: LookupCallback) => {
      const { isGone } = resolver
      // Addresses come here too, when a port is opened, and need no resolver.
      if (!name.endsWith('.test')) return lookup(name, options, callback)
      resolver.underWayMax = Math.max(resolver.underWayMax, ++underWay)
      setTimeout(() => answer(isGone, callback), isGone ? HANGING_MS : 1)
    },
  )
  return resolver
}

async function assertHome(victims: Load): Promise<void> {
  await until('the victims to be home again', async () => {
    return (await victims.during(5)).byCell['cell-0'] !== undefined
  })
}

// Each has a fleet of its own, and mostly waits.
describe('while a cell fails, tenants of other cells see nothing:', { concurrency: 8 }, () => {
  for (const [name, fault] of faultsOf('Cells', FAULTS)) test(name, fault)
})
