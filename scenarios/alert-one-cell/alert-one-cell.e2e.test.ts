import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { type Fleet, startFleet } from './cells.ts'
import { type Monitoring, startMonitoring, whyNoMonitoring } from './monitoring.ts'

/**
 * All times of the export are divided by this: the hour that a page looks back is three minutes, and the 52 s of outage
 * that it takes are under three seconds. Factors are as in earnest.
 */
const TIME_SCALE = 20
const CELLS = 8
const KILLED = 3

const PAGE_TIMEOUT_MS = 60_000
/** The short window, 5 min / 20, and the router's own time to trust the cell again. */
const CLEAR_TIMEOUT_MS = 90_000

describe('the exported alerts in a real Prometheus and Alertmanager', {
  skip: whyNoMonitoring() ?? false,
  timeout: 200_000,
}, () => {
  let fleet: Fleet
  let monitoring: Monitoring
  const killed = `cell-${KILLED}`
  const alerts = () => monitoring.notifications.flatMap((notification) => notification.alerts)

  before(async () => {
    fleet = await startFleet(CELLS)
    monitoring = await startMonitoring({
      fleet: fleet.fleet,
      slos: [{ name: 'availability', target: 0.999, periodSeconds: 30 * 86_400, indicator: 'availability' }],
      cells: fleet.cells.map((cell) => ({ ...cell, zone: 'a' })),
      routers: [fleet.router],
      controls: [],
      controlTokenFile: null,
      timeScale: TIME_SCALE,
    })
  })
  after(async () => {
    await monitoring?.stop()
    await fleet?.stop()
  })

  test('say nothing while every cell answers', async () => {
    await waitFor('every cell to have a ratio of bad requests', PAGE_TIMEOUT_MS, async () => {
      const ratios = await monitoring.query('cell:cellplane_slo_bad_requests:ratio_rate1h')
      return ratios.length === CELLS
    })
    assert.deepEqual(monitoring.notifications, [])
  })

  test('page for the cell that is killed, and for no other', async (t) => {
    const killedAt = performance.now()
    await fleet.kill(KILLED)
    // Two conditions page for it, each evaluated in its own time; the one of an hour is the one of a minute's outage.
    await waitFor('the page', PAGE_TIMEOUT_MS, () =>
      alerts().some(({ status, labels }) => status === 'firing' && labels['long_window'] === '1h'),
    )
    t.diagnostic(
      `paged after ${Math.round(performance.now() - killedAt)} ms, at a time scale of ${TIME_SCALE}`,
    )
    for (const { groupLabels, alerts } of monitoring.notifications) {
      assert.deepEqual(groupLabels, { fleet: fleet.fleet, cell: killed })
      for (const { labels } of alerts) assert.equal(labels['cell'], killed, JSON.stringify(labels))
    }
  })

  test('say which objective burns, over which windows, and where to look', () => {
    const page = alerts().find(({ labels }) => labels['long_window'] === '1h')
    assert.ok(page, JSON.stringify(alerts()))
    assert.equal(page.labels['slo'], 'availability')
    assert.match(page.annotations['description']!, /More than 14.4 times .*cellplane cell show cell-3/)
  })

  test('show what routers see in every panel that is about it', async () => {
    const dashboards = [...monitoring.files].filter(([path]) => path.startsWith('dashboards/'))
    const expressions = dashboards.flatMap(([, text]) =>
      Array.from(text.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g), ([, json]) => String(JSON.parse(json!))),
    )
    // Nothing was refused, no alert need be there, and neither the kit nor a control plane runs here.
    const others = /cellplane_(cell|tenant)_|refused|ALERTS|budget_left/
    const asked = expressions.filter((expr) => !others.test(expr))
    assert.ok(asked.length > 10, `${asked.length} expressions`)
    for (const expr of asked) {
      const filledIn = expr.replaceAll('$__rate_interval', '30s').replaceAll('$cell', 'cell-1')
      assert.notEqual((await monitoring.query(filledIn)).length, 0, filledIn)
    }
  })

  test('end with the outage', async () => {
    await fleet.revive(KILLED)
    await waitFor('the page to be resolved', CLEAR_TIMEOUT_MS, () =>
      alerts().some(({ status, labels }) => status === 'resolved' && labels['long_window'] === '1h'),
    )
    assert.ok(alerts().every(({ labels }) => labels['cell'] === killed))
  })
})
