/** Alerts at a real receiver: from reports in virtual time to the request that arrives. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { DEFAULT_SLOS } from '@cellplane/contract'
import { freePortRange } from '@cellplane/testing'
import { waitFor } from '../fixtures/control-fixture.ts'
import { type Alert, alertKey } from './alerts.ts'
import { createVirtualFleet } from './fixtures/virtual-fleet.ts'
import { startWebhooks } from './webhooks.ts'

const BAD = 'cell-003'
const outage = (id: string) => (id === BAD ? 1 : 0)
const slos = DEFAULT_SLOS

type Payload = {
  status: string
  groupLabels: { fleet: string; cell: string }
  commonLabels: Record<string, string>
  alerts: {
    status: string
    labels: Record<string, string>
    startsAt: string
    endsAt: string
    fingerprint: string
  }[]
}

async function startReceiver(t: TestContext) {
  const receiver = {
    status: 200,
    url: '',
    payloads: [] as Payload[],
    tokens: [] as (string | undefined)[],
    refused: 0,
  }
  const server = createServer(async (request, response) => {
    const body = await text(request)
    receiver.tokens.push(request.headers.authorization)
    if (receiver.status === 200) receiver.payloads.push(JSON.parse(body))
    else receiver.refused++
    response.writeHead(receiver.status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`
  return receiver
}

/** Takes alerts of all cells and answers of some only. */
async function startHanging(t: TestContext, hangs: (cell: string) => boolean) {
  const came: string[] = []
  let mostAtOnce = 0
  let underWay = 0
  const server = createServer(async (request, response) => {
    const { groupLabels } = JSON.parse(await text(request)) as Payload
    came.push(groupLabels.cell)
    mostAtOnce = Math.max(mostAtOnce, ++underWay)
    if (hangs(groupLabels.cell)) return
    underWay--
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`
  return { url, came, mostAtOnce: () => mostAtOnce }
}

/** One that fires since `since`. */
function alertOf(cell: string, since = 0): Alert {
  const rates = { shortSeconds: 300, longSeconds: 3_600, factor: 14.4, shortRate: 20, longRate: 20 }
  return { cell, slo: slos[0]!, severity: 'page', since, ...rates }
}
const alertsOf = (...alerts: Alert[]) => new Map(alerts.map((alert) => [alertKey(alert), alert]))

function startFor(t: TestContext, url: string, errors: unknown[] = []) {
  const webhooks = startWebhooks({
    fleet: 'shop',
    webhooks: [{ url, token: 'alert-token' }],
    logger: { error: (error: unknown) => void errors.push(error) } as never,
    steadyNow: () => performance.now(),
    retryMs: 1,
  })
  t.after(() => webhooks.stop())
  return webhooks
}

const pagesIn = (payloads: readonly Payload[], status: string) =>
  payloads.flatMap(({ alerts }) =>
    alerts.filter((alert) => alert.status === status && alert.labels['severity'] === 'page'),
  )

test('a cell that is out arrives as the page of that cell and of no other, and its end as resolved', async (t) => {
  const receiver = await startReceiver(t)
  const webhooks = startFor(t, receiver.url)
  const fleet = await createVirtualFleet({ slos, cells: 4, onAlerts: webhooks.tell })
  await fleet.pass(6 * 3_600, undefined, false)
  await fleet.pass(20, () => 0.1)
  await fleet.pass(60)
  const began = fleet.now()
  await fleet.pass(80, outage)
  const page = await waitFor('the page', () => pagesIn(receiver.payloads, 'firing')[0])
  assert.deepEqual([page!.labels['alertname'], page!.labels['cell']], ['CellplaneCellBurnsBudgetFast', BAD])
  assert.deepEqual([page!.labels['short_window'], page!.labels['long_window']], ['5m', '1h'])
  assert.ok(Date.parse(page!.startsAt) - began <= 70_000)
  assert.equal(page!.endsAt, '0001-01-01T00:00:00Z')
  await fleet.pass(300)
  const resolved = await waitFor('its end', () => pagesIn(receiver.payloads, 'resolved')[0])
  assert.equal(resolved!.fingerprint, page!.fingerprint)
  assert.ok(Date.parse(resolved!.endsAt) > Date.parse(page!.startsAt))
  for (const { labels } of pagesIn(receiver.payloads, 'firing')) assert.equal(labels['cell'], BAD)
  for (const { groupLabels, alerts } of receiver.payloads) {
    assert.ok(
      alerts.every(({ labels }) => labels['cell'] === groupLabels.cell),
      'a notification is of one cell',
    )
  }
  assert.ok(receiver.tokens.every((token) => token === 'Bearer alert-token'))
})

test('cells whose notifications hang keep no other cell’s back, and eight are under way at most', async (t) => {
  const cells = Array.from({ length: 20 }, (_, nth) => `cell-${nth}`)
  const few = cells.slice(0, 7)
  const { url, came, mostAtOnce } = await startHanging(t, (cell) => few.includes(cell))
  const webhooks = startFor(t, url)
  webhooks.tell(new Map(), alertsOf(...cells.map((cell) => alertOf(cell))), 0)
  await waitFor('every cell to be told of', () => new Set(came).size === 20)
  // Seven that hang, and another one. On a machine that is slow enough for them to be given up, they come again.
  assert.ok(mostAtOnce() >= 8 && mostAtOnce() < 15, `${mostAtOnce()} at once`)
})

test('of a cell one notification is under way at a time, and what changes meanwhile is in the next', async (t) => {
  const { url, came, mostAtOnce } = await startHanging(t, () => true)
  const webhooks = startFor(t, url)
  const fires = alertsOf(alertOf('cell-1'))
  webhooks.tell(new Map(), fires, 0)
  await waitFor('the first', () => came.length === 1)
  webhooks.tell(fires, new Map(), 1)
  webhooks.tell(new Map(), alertsOf(alertOf('cell-2')), 2)
  await waitFor('the other cell’s', () => came.length === 2)
  assert.deepEqual([came, mostAtOnce()], [['cell-1', 'cell-2'], 2])
})

test('why one was not delivered is said in a word, without the URL', async (t) => {
  const errors: unknown[] = []
  const webhooks = startFor(t, `http://127.0.0.1:${await freePortRange(1)}/secret-path`, errors)
  webhooks.tell(new Map(), alertsOf(alertOf('cell-1')), 0)
  await waitFor('the word in the log', () => errors.length > 0)
  assert.match(JSON.stringify(errors[0]), /"why":"ECONNREFUSED"/)
  assert.doesNotMatch(JSON.stringify(errors), /secret-path/)
})

test('what cannot be delivered is tried again, with what ended meanwhile; and given up with a word in the log', async (t) => {
  const receiver = await startReceiver(t)
  const errors: unknown[] = []
  const webhooks = startFor(t, receiver.url, errors)
  const fleet = await createVirtualFleet({ slos, cells: 4, onAlerts: webhooks.tell })
  await fleet.pass(6 * 3_600, undefined, false)
  receiver.status = 503
  await fleet.pass(80, outage)
  await waitFor('a refusal', () => receiver.refused > 0)
  receiver.status = 200
  await waitFor('the page', () => pagesIn(receiver.payloads, 'firing').length > 0)
  assert.deepEqual(errors, [])
  receiver.status = 500
  await fleet.pass(400)
  await waitFor('the word in the log', () => errors.length > 0)
  assert.match(JSON.stringify(errors[0]), /"cell":"cell-003".*"why":"answered 500","attempts":10/)
})
