import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

/** The router asks for documents at most so often, however many cells say that it is behind. */
const REFRESH_SPACING_MS = 1_000

test('a storm of 421 causes one refresh a second, and at most two attempts a request', async () => {
  const fleet = await startFakeFleet()
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  try {
    const { port, adminPort } = await fleet.startRouter({ poll_seconds: 3_600 })
    await until('both documents', async () => (await send(adminPort, { path: '/status' })).json.overlay)
    for (const cell of fleet.cells) cell.answer = (_seen, response) => response.writeHead(421).end()
    const { fetches } = fleet.controlPlane
    const before = fetches.base
    const startedAt = performance.now()
    let requests = 0
    await until('three refreshes', async () => {
      const tenants = Array.from({ length: 100 }, (_, i) => `t-${i}`)
      const answers = await Promise.all(
        tenants.map((tenant) => send(port, { headers: ['x-tenant', tenant], agent })),
      )
      assert.ok(answers.every(({ status }) => status === 421))
      requests += answers.length
      return fetches.base - before >= 3
    })
    const periods = Math.ceil((performance.now() - startedAt) / REFRESH_SPACING_MS)
    const refreshes = fetches.base - before
    assert.ok(refreshes <= periods + 1, `${refreshes} refreshes within ${periods} s`)
    const attempts = fleet.cells.reduce((sum, cell) => sum + cell.arrivals, 0)
    const reserve = (10 + periods) * fleet.cells.length
    assert.ok(attempts > requests && attempts <= 1.2 * requests + reserve, `${attempts} for ${requests}`)
  } finally {
    agent.destroy()
    await fleet.stop()
  }
})
