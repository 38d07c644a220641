/** Telemetry of a real control plane: what it keeps when it is killed, and what its API says of traffic. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { RouterReport } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'

const RECORDER = fileURLToPath(new URL('./fixtures/recorder.ts', import.meta.url))
const STEP_MS = 10_000

let postgres: TestPostgres
let folder: string
before(async () => {
  postgres = await startTestPostgres()
  folder = await mkdtemp(join(tmpdir(), 'cellplane-telemetry-'))
})
after(async () => {
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a day of metrics outlives a kill, and a control plane that starts on it reports by it', async (t) => {
  // A minute ago, so that what the day had does not look like what happens now.
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS - 60_000
  const recorder = spawn(process.execPath, [RECORDER, folder, String(end)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => recorder.kill('SIGKILL'))
  await once(recorder.stdout, 'data')
  recorder.kill('SIGKILL')
  await once(recorder, 'exit')

  const slos = [{ name: 'answers', indicator: 'availability', target: 0.8, period: '1d' }]
  const cells = {
    list: ['cell-001', 'cell-002'].map((id) => ({ id, price_per_hour: 1.5 })),
    retention_hours: 1,
  }
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ slos, cells }))
  fixture.configFile.metrics_dir = folder
  await fixture.startFleet(2)

  const state = await fixture.waitFor('a look at the objectives', async () => {
    const { body } = await fixture.call('getSlos', { role: 'reader' })
    return body.evaluated_at && body.cells.length > 0 ? body : undefined
  })
  const [kept] = state.cells
  assert.deepEqual([kept.cell, kept.slo], ['cell-001', 'answers'])
  // A day in steps of ten seconds; the start took some of them out of the window.
  assert.ok(kept.requests > 85_000 && kept.requests <= 86_400, String(kept.requests))
  assert.ok(Math.abs(kept.budget_left - 0.5) < 1e-3)
  assert.deepEqual(state.alerts, [])

  const { body: report } = await fixture.call('getReport', { query: { seconds: 2 * 86_400 } })
  assert.deepEqual([report.total.requests, report.total.failed], [86_400, 8_640])
  // Two days are asked for, and the cells came into being a moment ago.
  assert.ok(report.cells[0].cost > 0 && report.cells[0].cost < 1.5, String(report.cells[0].cost))
  assert.equal(report.cells[0].load_share, 1)
  assert.equal(Date.parse(report.measured_from) - (end - 86_400_000) < 3_600_000, true)

  // What comes now is added, and kept when it stops.
  const router = fixture.startRouter('router-1')
  let requests = 0
  Object.defineProperty(router, 'cells', {
    get(): RouterReport['cells'] {
      requests += 50
      const counters = { slot: 1, requests, errors: 0, connect_failures: 0, durations: [0, 0, requests] }
      const saturation = [requests / 2, 0, 0, 0, 0, requests / 2, requests]
      return [{ ...counters, saturation, in_flight: 3, is_ejected: true }]
    },
  })
  const traffic = await fixture.waitFor('traffic', async () => {
    const { body } = await fixture.call('getTraffic', { role: 'reader' })
    return body.cells[1].requests_per_second > 0 ? body : undefined
  })
  const [idle, busy] = traffic.cells
  assert.deepEqual([idle.requests_per_second, idle.p99_ms, idle.in_flight], [0, null, 0])
  assert.deepEqual([idle.full_share, busy.full_share], [0, 0.75])
  assert.deepEqual([busy.error_share, busy.in_flight, busy.ejected_by], [0, 3, ['router-1']])
  assert.ok(busy.p50_ms > 2.5 && busy.p99_ms <= 5)
  assert.equal(traffic.routers_reporting, 1)
  await fixture.stop()
  assert.ok((await readdir(folder)).some((name) => name.startsWith('fine-')))
})

test('a replica without the lease says who to ask, and incidents are listed by any', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  await fixture.startFleet()
  const follower = await fixture.start()
  for (const name of ['getTraffic', 'getSlos', 'getReport'] as const) {
    const { status, body } = await fixture.call(name, { at: follower })
    assert.deepEqual([status, body.code], [503, 'NOT_LEADER'])
  }
  assert.deepEqual((await fixture.call('listIncidents', { at: follower })).body, {
    incidents: [],
    next: null,
  })
})
