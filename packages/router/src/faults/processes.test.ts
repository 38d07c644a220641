import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { send } from '../testing/client.ts'
import { createIssuer, TOKENS } from '../testing/issuer.ts'
import { readMetric } from '../testing/metrics.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { freePort } from '../testing/router-process.ts'
import { until } from '../testing/wait.ts'
import { assertOnly, assertUnharmed, statusOf } from './ground.ts'
import { onProcesses, type RouterProcess } from './processes.ts'
import { faultsOf } from './specification.ts'

type Fault = (t: TestContext) => Promise<void>

const MEANWHILE = 40
const DAY_MS = 86_400_000

/** Node itself has about 25 open. */
const OPEN_FILES_MAX = 100
/** More than the files that are left. */
const IDLERS = 150
/** The kernel draws a process for each connection: that all get the same one is a matter of one in a million. */
const SPREAD = 21

/** Connections of a moment, on a machine that may be busy in that moment. */
const RESET_MAX = 5

/** Not one for each connection that is refused. */
const LOG_LINES_MAX = 50

/** More than what ejects a cell, and than a budget of second attempts lets through at once. */
const REFUSED_BY_ROUTER = 30

/** One connection that stands, and one request at a time: more than that needs files when it is held up. */
const FRUGAL = { connectionsMax: 1 }

const openFilesOf = ({ child }: RouterProcess): number => readdirSync(`/proc/${child.pid}/fd`).length

/** Opens connections until the process can take no more, which it shows by closing one. */
async function takeAllFiles({ port }: RouterProcess, idlers: Set<RawClient>): Promise<void> {
  await until('no file to be left', async () => {
    const closed = [...idlers].filter(({ hasEnded }) => hasEnded)
    for (const idler of closed) {
      idler.destroy()
      idlers.delete(idler)
    }
    if (closed.length > 0) return true
    idlers.add(await connectRaw(port))
    return false
  })
}

const FAULTS: Record<string, Fault> = {
  'files-exhausted': (t) =>
    onProcesses(async ({ load, spawn }) => {
      const router = await spawn({}, { openFilesMax: OPEN_FILES_MAX })
      const others = load(router.port, 'others', FRUGAL)
      assertUnharmed(t, 'others, before', await others.during(MEANWHILE))
      const idlers: RawClient[] = []
      try {
        while (idlers.length < IDLERS) idlers.push(await connectRaw(router.port))
        // What is beyond the limit is closed as it comes, and those who were there before go on.
        await until('some to be closed', () => idlers.some(({ hasEnded }) => hasEnded))
        assertUnharmed(t, 'others on connections that stand', await others.during(MEANWHILE))
        const closed = idlers.filter(({ hasEnded }) => hasEnded).length
        t.diagnostic(`${openFilesOf(router)} files open, ${closed} of ${IDLERS} closed`)
        const lines = router.output().split('\n').length
        assert.ok(lines <= LOG_LINES_MAX, `${lines} lines in the log`)
      } finally {
        for (const idler of idlers) idler.destroy()
      }
      await until('files to be free', () => openFilesOf(router) < OPEN_FILES_MAX / 2)
      assert.equal((await send(router.port)).status, 200)
      assertUnharmed(t, 'others on new connections', await load(router.port, 'others').during(MEANWHILE))
      assertUnharmed(t, 'others, all the while', await others.stop())
    }),
  'files-exhausted-to-cells': (t) =>
    onProcesses(async ({ fleet, load, spawn }) => {
      const router = await spawn({}, { openFilesMax: OPEN_FILES_MAX })
      const others = load(router.port, 'others', FRUGAL)
      assertUnharmed(t, 'others, before', await others.during(MEANWHILE))
      // Its connection stands, and each of its requests needs one to the cell.
      const victim = await connectRaw(router.port)
      const { answer } = fleet.cells[0]!
      fleet.cells[0]!.answer = (seen, response) => answer(seen, response.setHeader('connection', 'close'))
      const request = `GET / HTTP/1.1\r\nhost: a\r\nx-tenant: ${fleet.tenantOn(0, 1)}\r\n\r\n`
      const idlers = new Set<RawClient>()
      const outcomes: Record<string, number> = {}
      const methods: string[] = []
      try {
        await until('many to be refused for it', async () => {
          await takeAllFiles(router, idlers)
          victim.write(request)
          methods.push('GET')
          const { status, head, body } = (await victim.answers(...methods)).at(-1)!
          // A file may have become free in between.
          const outcome = status === 200 ? 'ok' : `${status} ${JSON.parse(body).code}`
          if (status === 503) assert.match(head, /^retry-after: \d+\r$/m)
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
          return methods.length - (outcomes['ok'] ?? 0) >= REFUSED_BY_ROUTER
        })
      } finally {
        for (const client of [...idlers, victim]) client.destroy()
      }
      t.diagnostic(`victims: ${JSON.stringify(outcomes)}`)
      assert.deepEqual(
        Object.keys(outcomes).filter((outcome) => outcome !== 'ok'),
        ['503 ROUTER_EXHAUSTED'],
      )
      const refused = outcomes['503 ROUTER_EXHAUSTED']!
      const { adminPort } = router
      await until('the metrics', () =>
        readMetric(adminPort, 'local_failures_total', 'reason').catch(() => null),
      )
      // One of the others may have needed a connection, too.
      const failures = (await readMetric(adminPort, 'local_failures_total', 'reason'))['EMFILE']!
      assert.ok(failures >= refused, `${failures} counted`)
      assert.equal((await readMetric(adminPort, 'refused_total', 'code'))['ROUTER_EXHAUSTED'], failures)
      for (const metric of ['retries_total', 'connect_failures_total', 'ejections_total']) {
        const counts = await readMetric(adminPort, metric)
        assert.deepEqual(Object.values(counts), [0, 0, 0, 0], metric)
      }
      await until('files to be free', () => openFilesOf(router) < OPEN_FILES_MAX / 2)
      const home = load(router.port, 'victims')
      const seen = await home.during(MEANWHILE)
      assertUnharmed(t, 'victims, once files are free', seen)
      assert.equal(seen.byCell['cell-1'], undefined)
      assertOnly(t, 'others, all the while', await others.stop(), ['ok', '503 ROUTER_EXHAUSTED'])
    }),
  'clock-jumps': (t) =>
    onProcesses(async ({ fleet, load, spawn }) => {
      const issuer = await createIssuer('key-1')
      const file = join(fleet.folder, 'issuer.jwks.json')
      await writeFile(file, JSON.stringify({ keys: [issuer.jwk] }))
      fleet.publishBase({
        partition_key: [
          { from: 'header', name: 'x-tenant' },
          { from: 'jwt', claim: 'customer_id' },
        ],
        tokens: TOKENS,
      })
      const router = await spawn({ jwks: { file } })
      const token = await issuer.issue({ customer_id: fleet.tenantOn(2, 3) })
      const statusByToken = async () =>
        (await send(router.port, { headers: ['authorization', `Bearer ${token}`] })).status
      assert.equal(await statusByToken(), 200)
      const [others, victims] = [load(router.port, 'others'), load(router.port, 'victims')]
      for (const clockShiftMs of [DAY_MS, -DAY_MS]) {
        await fleet.cells[0]!.kill()
        await until('the cell to be ejected', async () => (await statusOf(router)).cells[0].is_ejected)
        const { wallClock } = await router.probe({ clockShiftMs })
        assert.ok(Math.abs(wallClock - Date.now() - clockShiftMs) < DAY_MS / 2, 'the clock has jumped')
        // Only what is a date goes by the wall clock.
        assert.equal(await statusByToken(), clockShiftMs > 0 ? 401 : 200)
        await fleet.cells[0]!.revive()
        await until('the victims to be home again', async () => {
          return (await victims.during(5)).byCell['cell-0'] !== undefined
        })
        await router.probe({ clockShiftMs: 0 })
        assert.equal(await statusByToken(), 200)
      }
      assertOnly(t, 'victims', await victims.stop(), ['ok', '502 UPSTREAM_INVALID'])
      assertUnharmed(t, 'others', await others.stop())
    }),
  'worker-killed': (t) =>
    onProcesses(async ({ load, spawn }) => {
      const listen = { host: '127.0.0.1', port: await freePort() }
      const [first] = await Promise.all([spawn({ listen, router: 'a' }), spawn({ listen, router: 'b' })])
      const kept = load(listen.port, 'others')
      const fresh = load(listen.port, 'others', { keepsConnections: false })
      const held = await Promise.all(Array.from({ length: SPREAD }, () => connectRaw(listen.port)))
      await fresh.during(MEANWHILE)
      first.child.kill('SIGKILL')
      await once(first.child, 'exit')
      const afterwards = [await kept.during(MEANWHILE), await fresh.during(MEANWHILE)]
      await until('its connections, and only those, to be cut', () => {
        const cut = held.filter(({ hasEnded }) => hasEnded).length
        return cut > 0 && cut < held.length
      })
      for (const client of held) client.destroy()
      assertOnly(t, 'others on kept connections, just after', afterwards[0]!, ['ok', 'ECONNRESET'])
      assertUnharmed(t, 'others on new connections, just after', afterwards[1]!)
      assertUnharmed(t, 'others on kept connections, then', await kept.during(MEANWHILE))
      assertOnly(t, 'others on new connections, all the while', await fresh.stop(), ['ok', 'ECONNRESET'])
    }),
  'upgrade-in-place': (t) =>
    onProcesses(async ({ load, spawn }) => {
      const listen = { host: '127.0.0.1', port: await freePort() }
      const old = await spawn({ listen, router: 'old' })
      const others = load(listen.port, 'others')
      const fresh = load(listen.port, 'others', { keepsConnections: false })
      await others.during(10)
      const next = await spawn({ listen, router: 'new' })
      old.child.kill('SIGTERM')
      await once(old.child, 'exit')
      assert.equal(old.child.exitCode, 0)
      assertUnharmed(t, 'others at the new process', await others.during(MEANWHILE))
      assertUnharmed(t, 'others on kept connections, all the while', await others.stop())
      const seen = await fresh.stop()
      // The kernel resets what the old process has not accepted when it closes the port: what comes in that moment.
      assertOnly(t, 'others on new connections, all the while', seen, ['ok', 'ECONNRESET'])
      assert.ok((seen.outcomes['ECONNRESET'] ?? 0) <= RESET_MAX)
      assert.equal(next.child.exitCode, null)
    }),
}

// Each has processes of its own, and mostly waits.
describe('what happens to a process and its machine:', { concurrency: 4 }, () => {
  for (const [name, fault] of faultsOf('Processes', FAULTS)) test(name, fault)
})
