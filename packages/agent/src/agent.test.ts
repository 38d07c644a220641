/** The agent as a whole, on cells without a database; cells with one, and kills of whole processes, are in agent-crash.test.ts. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ComponentStatus, HostOrder, HostReport } from '@cellplane/contract'
import { identify } from '@cellplane/host'
import { freePortRange, isAlive, processesMentioning, processTree, waitFor } from '@cellplane/testing'
import { pino } from 'pino'
import { type Agent, startAgent } from './agent.ts'
import { api, component, HOST_TOKEN, missingPrograms, TestHost } from './testing-host.ts'

const log = pino({ level: 'silent' })
/** Loose: the machine may be busy with other suites. */
const SOON_MS = 20_000

type CellReport = HostReport['cells'][number]

const statusOf = (agent: Agent, name: string, cell = 0) =>
  agent.report().cells[cell]?.components.find((found) => found.name === name)

function running(agent: Agent, id = 'cell-001'): Promise<CellReport> {
  return waitFor(`${id} to run`, SOON_MS, () =>
    agent.report().cells.find((cell) => cell.id === id && cell.is_running),
  )
}

/** The status of a component once it is as `expected`. */
function reached(agent: Agent, name: string, expected: Partial<ComponentStatus>): Promise<ComponentStatus> {
  return waitFor(`${name} to be ${JSON.stringify(expected)}`, SOON_MS, () => {
    const status = statusOf(agent, name)
    const entries = Object.entries(expected) as [keyof ComponentStatus, unknown][]
    return status && entries.every(([key, value]) => status[key] === value) ? status : undefined
  })
}

const sleeper = (seconds = 1000) => component({ name: 'worker', run: `exec sleep ${seconds}` })

describe('an agent', { skip: missingPrograms() }, () => {
  let host: TestHost
  let agent: Agent | undefined
  let epoch = 0
  let version = 1
  before(async () => {
    host = await TestHost.start(await freePortRange(20))
  })
  after(async () => {
    await agent?.stop()
    await host.remove()
  })

  const cellDir = () => join(host.stateDir, 'cells', 'cell-001')

  /** A new agent on the same state directory; the order is of the next epoch, so that it may drop what was before. */
  async function startWith(order: HostOrder | undefined): Promise<Agent> {
    await agent?.stop()
    if (order) epoch++
    host.order(order && { ...order, epoch })
    const started = await startAgent(host.config, { log })
    agent = started
    if (order) await waitFor('the order', SOON_MS, () => started.report().order?.epoch === epoch)
    return started
  }

  /** A further order to the running agent. */
  function orderNext(order: HostOrder): void {
    host.order({ ...order, epoch, version: ++version })
  }

  test('runs the cells of the order and reports them', async () => {
    const order = host.makeOrder([{ holdings: 'reported' }, {}], [api(), sleeper()])
    const started = await startWith(order)
    await running(started, 'cell-002')
    const cell = await waitFor('holdings', SOON_MS, () =>
      host.reports.at(-1)?.cells.find((c) => c.is_running && c.holdings),
    )
    assert.deepEqual(cell.holdings, { undelivered: 3, retained: 5, retained_until: null })
    assert.equal(cell.endpoint, `http://127.0.0.1:${host.portBase + 1}`)
    assert.deepEqual(
      cell.components.map((c) => [c.name, c.phase, c.port]),
      [
        ['api', 'running', host.portBase + 1],
        ['worker', 'running', null],
      ],
    )
    assert.equal((await fetch(`${cell.endpoint}/healthz`)).status, 200)
  })

  test('gives a component the contract’s environment and none of its own secrets', async () => {
    process.env['PLANTED_SECRET'] = HOST_TOKEN
    const tokens = { issuer: 'us', audience: 'them', algorithms: ['EdDSA', 'RS256'], claim: 'customer_id' }
    const order = host.makeOrder(
      [{ capacity: { in_flight: 7 } }],
      [api({ env: { COLOUR: 'blue', CELLPLANE_CELL: 'forged' } })],
      { tokens },
    )
    const started = await startWith(order)
    const { endpoint } = await running(started)
    const env = (await (await fetch(`${endpoint}/env`)).json()) as Record<string, string>
    assert.doesNotMatch(JSON.stringify(env), new RegExp(HOST_TOKEN))
    const { PATH, uid, PWD: _pwd, LC_CTYPE: _python, ...rest } = env
    assert.deepEqual(rest, {
      HOME: join(cellDir(), 'home'),
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      NODE_COMPILE_CACHE: join(cellDir(), 'compiled'),
      LOCAL_SINKS_SMTP_PORT: '2525',
      COLOUR: 'blue',
      PORT: String(host.portBase + 1),
      HOST: '127.0.0.1',
      CELLPLANE_FLEET: 'shop',
      CELLPLANE_FLEET_KIND: 'stateless',
      CELLPLANE_CELL: 'cell-001',
      CELLPLANE_SLOT: '0',
      CELLPLANE_ZONE: 'local',
      CELLPLANE_REGION: 'local',
      CELLPLANE_COMPONENT: 'api',
      CELLPLANE_TARGET: 'run',
      CELLPLANE_RELEASE: 'r1',
      CELLPLANE_ROUTER_SECRET_FILE: join(cellDir(), 'router.secret'),
      CELLPLANE_JWKS: join(host.stateDir, 'jwks.json'),
      CELLPLANE_TOKEN_ISSUER: 'us',
      CELLPLANE_TOKEN_AUDIENCE: 'them',
      CELLPLANE_TOKEN_ALGORITHMS: 'EdDSA,RS256',
      CELLPLANE_TENANT_CLAIM: 'customer_id',
      CELLPLANE_TRACES_URL: 'http://127.0.0.1:4318/v1/traces',
      CELLPLANE_RETENTION_HOURS: '168',
      CELLPLANE_CAPACITY_IN_FLIGHT: '7',
    })
    assert.ok(PATH?.startsWith(process.execPath.replace(/\/node$/, '')))
    const secretFile = await stat(join(cellDir(), 'router.secret'))
    assert.deepEqual([secretFile.mode & 0o777, String(secretFile.uid)], [0o600, uid])
    if (process.getuid?.() === 0) assert.equal(uid, '70000', 'as root, each cell has a user of its own')
  })

  test('keeps one cell out of another’s files', {
    skip: process.getuid?.() !== 0 && 'not root: all cells are one user',
  }, async () => {
    const started = await startWith(host.makeOrder([{}, {}], [api()]))
    await running(started)
    const own = await running(started, 'cell-002')
    const { uid } = (await (await fetch(`${own.endpoint}/env`)).json()) as { uid: string }
    for (const file of [
      'cell-001/router.secret',
      'cell-001/credentials.json',
      'cell-001/home/ill',
      '../order.json',
    ]) {
      const path = join(host.stateDir, 'cells', file)
      const read = spawnSync('cat', [path], { uid: Number(uid), encoding: 'utf8' })
      assert.match(read.stderr, /Permission denied/, file)
    }
  })

  test('restarts a component that dies, later each time, and leaves its neighbours alone', async () => {
    const started = await startWith(host.makeOrder([{}], [api(), sleeper()]))
    await running(started)
    const worker = statusOf(started, 'worker')!.pid
    for (const restarts of [1, 2]) {
      process.kill(statusOf(started, 'api')!.pid!, 'SIGKILL')
      await reached(started, 'api', { restarts, phase: 'running' })
    }
    assert.match(statusOf(started, 'api')!.last_error ?? '', /was ended by SIGKILL; see .*api\.log/)
    assert.equal(statusOf(started, 'worker')!.pid, worker)
  })

  test('does not restart a component that is ill for a moment, and says why it is not healthy', async () => {
    const started = agent!
    const { pid, restarts } = statusOf(started, 'api')!
    await writeFile(join(cellDir(), 'home', 'ill'), '')
    const ill = await reached(started, 'api', { is_healthy: false })
    assert.match(ill.last_error ?? '', /healthz answers 503; expected 2xx/)
    assert.deepEqual([ill.phase, ill.pid, ill.restarts], ['running', pid, restarts])
    await rm(join(cellDir(), 'home', 'ill'))
    await running(started)
  })

  test('ends what a component put into the background, also outside its process group', async () => {
    const run = 'setsid sleep 4711 & exec sleep 4712'
    const started = await startWith(host.makeOrder([{}], [component({ name: 'api', serves: true, run })]))
    const strays = () => processesMentioning(host.directory)
    await waitFor('the stray', SOON_MS, () => strays().length === 2)
    await started.stop()
    assert.deepEqual(strays(), [])
  })

  test('names a port that is taken, what it is for, and the flag; and goes on when it is free again', async () => {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(host.portBase + 1, '127.0.0.1', resolve))
    const started = await startWith(host.makeOrder([{}], [api()]))
    const { last_error: error } = await reached(started, 'api', { phase: 'failed' })
    assert.equal(
      error,
      `port ${host.portBase + 1} of cell-001/api is taken by another process; stop it or start with --cell-port-base N`,
    )
    await new Promise((resolve) => squatter.close(resolve))
    await running(started)
  })

  test('stops a cell when the order says so, and starts it again', async () => {
    const started = agent!
    const pids = processTree(statusOf(started, 'api')!.pid!)
    orderNext(host.makeOrder([{ wanted: 'stopped' }], [api()]))
    await reached(started, 'api', { phase: 'stopped' })
    assert.deepEqual(pids.filter(isAlive), [])
    orderNext(host.makeOrder([{}], [api()]))
    await running(started)
  })

  test('restarts a component that is ordered differently, and no other', async () => {
    const started = agent!
    orderNext(host.makeOrder([{}], [api(), sleeper(1000)]))
    const before = await reached(started, 'worker', { phase: 'running' })
    const { pid } = statusOf(started, 'api')!
    orderNext(host.makeOrder([{}], [api(), sleeper(2000)]))
    await waitFor('the other worker', SOON_MS, () => statusOf(started, 'worker')?.pid !== before.pid)
    await running(started)
    assert.equal(statusOf(started, 'api')!.pid, pid)
  })

  test('refuses an order of an older epoch, and one that drops a running cell', async () => {
    const started = await startWith(host.makeOrder([{}], [api()]))
    await running(started)
    for (const refused of [
      host.makeOrder([{ wanted: 'stopped' }], [api()], { epoch: epoch - 1, version: 99 }),
      host.makeOrder([], [api()], { epoch, version: 2 }),
    ]) {
      const asked = host.orderRequests
      host.order(refused)
      await waitFor('the order to be read', SOON_MS, () => host.orderRequests >= asked + 2)
      assert.deepEqual(started.report().order, { epoch, version: 1 })
      assert.equal(started.report().cells[0]?.is_running, true)
    }
  })

  test('starts from the order on its disk while the control plane is gone', async () => {
    const started = await startWith(undefined)
    await running(started)
    assert.deepEqual(started.report().order, { epoch, version: 1 })
  })

  test('ignores a damaged order on its disk, and waits for the control plane’s', async () => {
    await agent?.stop()
    const file = join(host.stateDir, 'order.json')
    const text = await readFile(file, 'utf8')
    for (const damaged of ['', text.slice(0, text.length / 2), '{"cells":"none"}', 'null']) {
      await writeFile(file, damaged)
      const started = await startWith(undefined)
      assert.deepEqual(started.report().cells, [], damaged)
    }
    orderNext(host.makeOrder([{}], [api()]))
    await running(agent!)
  })

  test('runs a cell again that was dropped and could not be stopped', async () => {
    const started = await startWith(host.makeOrder([{}], [api()]))
    await running(started)
    // A folder in the place of a record cannot be removed as one.
    const record = join(cellDir(), 'run', 'api.run.json')
    await rm(record)
    await mkdir(record)
    epoch++
    orderNext(host.makeOrder([], [api()]))
    await waitFor('the drop', SOON_MS, () => started.report().cells.length === 0)
    await rm(record, { recursive: true })
    orderNext(host.makeOrder([{}], [api()]))
    await running(started)
  })

  test('takes its targets from a Makefile, once per release, before the component starts', async () => {
    const makefile = `
cell-bootstrap:
\techo $$CELLPLANE_CELL $$CELLPLANE_RELEASE >> $$HOME/bootstrapped
cell-health:
\ttest -e $$HOME/bootstrapped
`
    await writeFile(join(host.fleetDir, 'Makefile'), makefile)
    const done = () => readFile(join(cellDir(), 'home', 'bootstrapped'), 'utf8')
    const made = component({ name: 'api', serves: true, make: true })
    await running(await startWith(host.makeOrder([{}], [made])))
    await running(await startWith(host.makeOrder([{}], [made])))
    assert.equal(await done(), 'cell-001 r1\n')
    orderNext(host.makeOrder([{ release: 'r2' }], [made]))
    await waitFor('the next release', SOON_MS, async () => (await done()) === 'cell-001 r1\ncell-001 r2\n')
    await running(agent!)
  })

  test('builds once on the host, and gives each cell what Node compiled meanwhile', async () => {
    await writeFile(join(host.fleetDir, 'compiled.mjs'), 'export const answer = 42\n', { mode: 0o644 })
    const built = api({ targets: { build: `echo built >> ../built; ${process.execPath} compiled.mjs` } })
    const cells = [{ release: 'r5' }, { id: 'cell-008', slot: 1, release: 'r5' }]
    const started = await startWith(host.makeOrder(cells, [built]))
    await waitFor('both cells', SOON_MS, () => started.report().cells.every((cell) => cell.is_running))
    assert.equal(await readFile(join(host.directory, 'built'), 'utf8'), 'built\n')
    for (const cell of ['cell-001', 'cell-008']) {
      const compiled = join(host.stateDir, 'cells', cell, 'compiled')
      const files = await readdir(compiled, { recursive: true, withFileTypes: true })
      assert.ok(
        files.some((file) => file.isFile()),
        `${compiled} is empty`,
      )
    }
  })

  const broken = api({ targets: { bootstrap: 'echo no such table; exit 3' } })
  const failure = /^bootstrap of cell-00\d\/api exited with code 3; see .*api\.log$/

  test('says which target failed, where its output is, and starts nothing', async () => {
    const fresh = { id: 'cell-009', slot: 1 }
    const started = await startWith(host.makeOrder([fresh], [broken]))
    const status = await waitFor('the failure', SOON_MS, () => {
      const api = statusOf(started, 'api')
      return api?.last_error ? api : undefined
    })
    assert.match(status.last_error ?? '', failure)
    assert.equal(status.pid, null)
    const log = await readFile(join(host.stateDir, 'cells', fresh.id, 'logs', 'api.log'), 'utf8')
    assert.match(log, /no such table/)
  })

  test('leaves a release running whose successor cannot be prepared, and says why it does not advance', async () => {
    const started = await startWith(host.makeOrder([{ release: 'r3' }], [api()]))
    await running(started)
    const { pid } = statusOf(started, 'api')!
    orderNext(host.makeOrder([{ release: 'r4' }], [broken]))
    await waitFor('the failure', SOON_MS, () => failure.test(statusOf(started, 'api')?.last_error ?? ''))
    const status = statusOf(started, 'api')!
    assert.deepEqual([status.phase, status.pid], ['running', pid])
    assert.equal(started.report().cells[0]?.is_running, false, 'not as ordered')
  })

  test('refuses a state directory on which another agent runs', async () => {
    const file = join(host.stateDir, 'agent.json')
    await writeFile(file, JSON.stringify(identify(process.ppid)))
    await assert.rejects(startAgent(host.config, { log }), /an agent \(pid \d+\) runs on .* already/)
  })
})
