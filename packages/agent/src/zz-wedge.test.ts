import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePortRange, waitFor } from '@cellplane/testing'
import { pino } from 'pino'
import { startAgent } from './agent.ts'
import { api, TestHost } from './testing-host.ts'

test('wedge', async () => {
  const host = await TestHost.start(await freePortRange(10))
  host.order(host.makeOrder([{ database: 'postgres' }], [api()]))
  const agent = await startAgent(host.config, { log: pino() })
  try {
    const pg = () => agent.report().cells[0]?.components.find((c) => c.name === 'postgres')
    await waitFor('run', 30000, () => agent.report().cells[0]?.is_running)
    const pid = pg()!.pid!
    process.kill(pid, 'SIGSTOP')
    const t = performance.now()
    await waitFor('ill', 30000, () => pg()?.is_healthy === false)
    console.log('ill', performance.now() - t, pg())
    await waitFor('back', 100000, () => pg()?.is_healthy && pg()!.pid !== pid)
    console.log('back', performance.now() - t, agent.report().cells[0])
    assert.equal(agent.report().cells[0]!.components.find((c) => c.name === 'api')!.restarts, 0)
  } finally {
    await agent.stop()
    await host.remove()
  }
})
