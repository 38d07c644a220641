/** The agent as a process, over a cell with a real PostgreSQL: what is killed comes back, and what is stopped is gone. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { HostReport } from '@cellplane/contract'
import { systemIdentifier, waitReady } from '@cellplane/postgres'
import {
  freePortRange,
  isAlive,
  processesMentioning,
  processTree,
  signalAll,
  waitFor,
} from '@cellplane/testing'
import { api, component, missingPrograms, TestHost } from './testing-host.ts'

/** From a SIGKILL of everything that a cell is until it serves again. */
const CELL_BACK_MAX_MS = 10_000
const SOON_MS = 40_000

type CellReport = HostReport['cells'][number]

describe('a cell with its own PostgreSQL', { skip: missingPrograms() }, () => {
  let host: TestHost
  let agent: ChildProcess
  before(async () => {
    host = await TestHost.start(await freePortRange(10))
    const worker = component({ name: 'worker', run: 'exec sleep 1000' })
    host.order(host.makeOrder([{ database: 'postgres' }], [api(), worker]))
    agent = await host.spawnAgent()
  })
  after(async () => {
    if (agent.exitCode === null && agent.signalCode === null) {
      agent.kill('SIGTERM')
      await once(agent, 'exit')
    }
    await host.remove()
  })

  /** A report that was sent from now on, in which the cell runs and `holds`. */
  function running(
    what: string,
    timeoutMs: number,
    holds: (cell: CellReport) => boolean = () => true,
  ): Promise<CellReport> {
    const from = host.reports.length
    return waitFor(what, timeoutMs, () =>
      host.reports
        .slice(from)
        .flatMap((report) => report.cells)
        .find((cell) => cell.is_running && holds(cell)),
    )
  }

  const pidOf = (cell: CellReport, name: string) => cell.components.find((c) => c.name === name)!.pid!
  const pidsOf = (cell: CellReport) => ['postgres', 'api', 'worker'].map((name) => pidOf(cell, name))
  const databaseUrl = async () => {
    const { app } = JSON.parse(
      await readFile(join(host.stateDir, 'cells', 'cell-001', 'postgres.json'), 'utf8'),
    )
    return `postgres://app:${app}@127.0.0.1:${host.portBase}/app`
  }

  test('is made from nothing, with passwords that only the agent can read', async () => {
    const cell = await running('the cell', SOON_MS)
    const url = await databaseUrl()
    const env = (await (await fetch(`${cell.endpoint}/env`)).json()) as Record<string, string>
    assert.equal(env['DATABASE_URL'], url)
    const identity = `${await systemIdentifier(url)}/app`
    assert.deepEqual(cell.stores, [
      { kind: 'postgres', location: `127.0.0.1:${host.portBase}/app`, identity },
    ])
    for (const file of ['postgres.json', 'credentials.json', 'router.secret', 'run/api.run.json']) {
      assert.equal((await stat(join(host.stateDir, 'cells', 'cell-001', file))).mode & 0o777, 0o600, file)
    }
    assert.doesNotMatch(
      JSON.stringify(host.reports),
      new RegExp(new URL(url).password),
      'no report carries a password',
    )
  })

  test('killed with SIGKILL, all of it, is back within 10 s with its data', async () => {
    const before = await running('the cell', SOON_MS)
    const identity = await systemIdentifier(await databaseUrl())
    const pids = pidsOf(before).flatMap(processTree)
    const since = performance.now()
    signalAll(pids, 'SIGKILL')
    await running('the cell to be back', CELL_BACK_MAX_MS, (cell) =>
      pidsOf(cell).every((pid) => !pids.includes(pid)),
    )
    const backAfterMs = performance.now() - since
    assert.ok(backAfterMs < CELL_BACK_MAX_MS, `${backAfterMs} ms`)
    assert.equal(await systemIdentifier(await databaseUrl()), identity)
  })

  test('whose PostgreSQL alone dies gets it back, and its components are left alone', async () => {
    const before = await running('the cell', SOON_MS)
    process.kill(pidOf(before, 'postgres'), 'SIGKILL')
    const after = await running(
      'PostgreSQL',
      SOON_MS,
      (cell) => pidOf(cell, 'postgres') !== pidOf(before, 'postgres'),
    )
    assert.deepEqual(pidsOf(after).slice(1), pidsOf(before).slice(1))
    await waitReady(await databaseUrl())
  })

  test('goes on while its agent is dead, and is adopted by the next one, which starts what died meanwhile', async () => {
    const before = await running('the cell', SOON_MS)
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    assert.equal((await fetch(`${before.endpoint}/healthz`)).status, 200)
    await waitReady(await databaseUrl())
    process.kill(pidOf(before, 'worker'), 'SIGKILL')
    await waitFor('the worker to end', SOON_MS, () => !isAlive(pidOf(before, 'worker')))
    agent = await host.spawnAgent()
    const after = await running('the cell', SOON_MS)
    const [postgres, serving, worker] = pidsOf(after)
    assert.deepEqual([postgres, serving], pidsOf(before).slice(0, 2))
    assert.notEqual(worker, pidOf(before, 'worker'))
    assert.deepEqual(
      after.components.map((c) => c.restarts),
      [0, 0, 0],
    )
  })

  test('has an adopted component restarted when it dies', async () => {
    const before = await running('the cell', SOON_MS)
    process.kill(pidOf(before, 'api'), 'SIGKILL')
    const after = await running('the api', SOON_MS, (cell) => pidOf(cell, 'api') !== pidOf(before, 'api'))
    assert.equal(pidOf(after, 'postgres'), pidOf(before, 'postgres'))
  })

  test('does not keep what is no longer ordered when its next agent comes', async () => {
    const before = await running('the cell', SOON_MS)
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    host.order(host.makeOrder([{ database: 'postgres' }], [api()], { version: 2 }))
    agent = await host.spawnAgent()
    const after = await running(
      'the cell without its worker',
      SOON_MS,
      (cell) => cell.components.length === 2,
    )
    assert.deepEqual([pidOf(after, 'postgres'), pidOf(after, 'api')], pidsOf(before).slice(0, 2))
    await waitFor('the worker to end', SOON_MS, () => !isAlive(pidOf(before, 'worker')))
  })

  test('is stopped with an agent that never had a usable order', async () => {
    const pids = ['postgres', 'api'].map((name) => pidOf(host.reports.at(-1)!.cells[0]!, name))
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    await writeFile(join(host.stateDir, 'order.json'), '{"cells":')
    host.order(undefined)
    const reports = host.orderRequests
    agent = await host.spawnAgent()
    await waitFor('the agent to ask', SOON_MS, () => host.orderRequests > reports)
    assert.ok(pids.every(isAlive), 'what runs goes on')
    agent.kill('SIGTERM')
    await once(agent, 'exit')
    assert.deepEqual(processesMentioning(host.directory), [])
    host.order(host.makeOrder([{ database: 'postgres' }], [api()], { version: 3 }))
    agent = await host.spawnAgent()
  })

  test('is stopped when the agent’s parent is gone: nothing of it is left running', async () => {
    const cell = await running('the cell', SOON_MS)
    const pids = [pidOf(cell, 'postgres'), pidOf(cell, 'api')].flatMap(processTree)
    agent.disconnect()
    assert.deepEqual(await once(agent, 'exit'), [0, null])
    assert.deepEqual(pids.filter(isAlive), [])
    assert.deepEqual(processesMentioning(host.directory), [])
  })
})
