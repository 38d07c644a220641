/** A real control plane that asks a real Prometheus, which goes away and comes back. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { DEFAULT_SLOS } from '@cellplane/contract'
import type { AlertView, Report, Traffic } from '@cellplane/contract/api'
import { startTestPostgres } from '@cellplane/postgres'
import { startTestPrometheus, waitFor, whyNoPrometheus } from '@cellplane/testing'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createFixtureFor } from '../fixtures/test-databases.ts'
import { REQUESTS_PER_SECOND, scrapedFleet } from './fixtures/scraped-fleet.ts'

const STEP_MS = 10_000
/** Looks come each ten seconds. */
const LOOK_TIMEOUT_MS = 90_000
const HOUR = 3_600

type Notification = {
  groupLabels: { cell: string }
  alerts: { status: string; labels: Record<string, string> }[]
}

async function startReceiver(t: TestContext) {
  const notifications: Notification[] = []
  const server = createServer(async (request, response) => {
    notifications.push((await json(request)) as Notification)
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`, notifications }
}

function assertNear(found: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(found - expected) <= 0.02 * expected,
    `${what}: found ${found}; expected ${expected} ± 2 %`,
  )
}

test('a control plane that asks a Prometheus', { skip: whyNoPrometheus() ?? false }, async (t) => {
  const postgres = await startTestPostgres()
  t.after(() => postgres.stop())
  const now = Math.floor(Date.now() / STEP_MS) * STEP_MS
  // A budget that burns 14.4 times as fast as it lasts pages.
  const prometheus = await startTestPrometheus(
    scrapedFleet('test', now, { 'cell-001': 0, 'cell-002': 0.02, 'cell-003': 0.01 }),
  )
  t.after(() => prometheus.stop())
  const receiver = await startReceiver(t)
  const cells = {
    list: ['cell-001', 'cell-002', 'cell-003'].map((id) => ({ id, price_per_hour: 1.5 })),
    retention_hours: 1,
  }
  const fixture = await createFixtureFor(t, postgres, exampleFleet({ slos: [DEFAULT_SLOS[0]], cells }))
  fixture.configFile.prometheus = { url: prometheus.url }
  fixture.configFile.alert_webhooks = [{ url: receiver.url }]
  await fixture.startFleet(3)
  const leader = fixture.control()

  const slos = async () => (await fixture.call('getSlos', { at: leader })).body
  const problems = async (): Promise<string[]> =>
    (await fixture.call('getStatus', { at: leader })).body.automation.problems
  const report = async (at = leader): Promise<Report> =>
    (await fixture.call('getReport', { at, query: { seconds: HOUR } })).body
  const pagesOf = (alerts: AlertView[]) => alerts.filter(({ severity }) => severity === 'page')
  let before: { evaluated_at: string; alerts: AlertView[] }

  await t.test('pages for the cell that burns its budget too fast, and for no other', async () => {
    before = await waitFor('a look at the objectives', LOOK_TIMEOUT_MS, async () => {
      const state = await slos()
      return state.evaluated_at !== null && state
    })
    assert.deepEqual(
      pagesOf(before.alerts).map(({ cell, long_seconds }) => [cell, long_seconds]),
      [['cell-002', HOUR]],
    )
    assertNear(pagesOf(before.alerts)[0]!.long_rate, 20, 'burn rate of the hour')
    const isPage = ({ alerts }: Notification) => alerts.some(({ labels }) => labels['severity'] === 'page')
    await waitFor('the page', LOOK_TIMEOUT_MS, () => receiver.notifications.some(isPage))
    const paged = receiver.notifications.filter(isPage).map(({ groupLabels }) => groupLabels.cell)
    assert.deepEqual(paged, ['cell-002'])
    await waitFor('its incident', LOOK_TIMEOUT_MS, async () => {
      const { body } = await fixture.call('listIncidents', { at: leader })
      return body.incidents.length === 1
    })
  })

  await t.test('answers top and report from it, and every replica has the same report', async () => {
    const traffic: Traffic = (await fixture.call('getTraffic')).body
    const [calm] = traffic.cells
    assert.equal(traffic.window_seconds, 60)
    assertNear(calm!.requests_per_second, REQUESTS_PER_SECOND, 'requests a second')
    assert.ok(calm!.p99_ms! > 2.5 && calm!.p99_ms! <= 5, `p99 ${calm!.p99_ms} ms`)
    const follower = await fixture.start()
    for (const replica of [leader, follower]) {
      const { cells, total, incidents } = await report(replica)
      assertNear(total.requests, 3 * HOUR * REQUESTS_PER_SECOND, 'requests of the fleet')
      assert.equal(cells[0]!.failed, 0)
      assertNear(cells[1]!.failed, 0.02 * HOUR * REQUESTS_PER_SECOND, 'failed at the cell that burns')
      assertNear(cells[2]!.failed, 0.01 * HOUR * REQUESTS_PER_SECOND, 'failed at the other one')
      assert.deepEqual(
        incidents.map(({ cell, until }) => [cell, until]),
        [['cell-002', null]],
      )
      // Its beginning is looked for in the ten minutes before, in steps of one.
      const from = Date.parse(incidents[0]!.from)
      assert.ok(from >= now - 11 * 60_000 && from <= Date.now(), incidents[0]!.from)
    }
    await fixture.stop(follower)
  })

  await t.test('says so while it is gone, and leaves alerts as they are', async () => {
    const told = receiver.notifications.length
    await prometheus.kill()
    for (const name of ['getReport', 'getTraffic', 'listIncidents'] as const) {
      const { status, body } = await fixture.call(name, { at: leader })
      assert.deepEqual([status, body.code], [503, 'METRICS_UNAVAILABLE'], name)
      assert.match(
        body.detail,
        /^the Prometheus at http:\S+ was asked for label_replace.* and it cannot be reached/,
      )
      assert.match(body.detail, /ECONNREFUSED\); see whether it runs/)
    }
    const said = await waitFor('the status to say so', LOOK_TIMEOUT_MS, async () => {
      const found = await problems()
      return found.length > 0 && found
    })
    assert.equal(said.length, 1)
    assert.match(said[0]!, /^objectives are not looked at, and alerts stay as they are: the Prometheus at /)
    assert.deepEqual((await slos()).alerts.map(alertKey), before.alerts.map(alertKey))
    assert.equal(receiver.notifications.length, told)
    const page = await (await fetch(`${leader.url}/metrics`)).text()
    assert.match(page, /^cellplane_control_prometheus_failures_total [1-9]/m)
    // Its own probes tell what health goes by.
    const { cells } = (await fixture.call('getStatus', { at: leader })).body
    assert.ok(cells.every(({ health }: { health: string }) => health === 'healthy'))
  })

  await t.test('goes on when it is back, with the alerts of before', async () => {
    const told = receiver.notifications.length
    const { evaluated_at: stoppedAt } = await slos()
    await prometheus.start()
    const state = await waitFor('a look at the objectives', LOOK_TIMEOUT_MS, async () => {
      const found = await slos()
      // The look goes on to incidents, and says when it is over that nothing is amiss.
      return found.evaluated_at > stoppedAt && (await problems()).length === 0 && found
    })
    assert.deepEqual(state.alerts.map(alertKey), before.alerts.map(alertKey))
    assert.equal(receiver.notifications.length, told)
    assertNear((await report()).total.requests, 3 * HOUR * REQUESTS_PER_SECOND, 'requests of the fleet')
  })
})

const alertKey = ({ cell, slo, long_seconds, since }: AlertView) => [cell, slo, long_seconds, since]
