import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeTable } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { createIssuer, TOKENS } from '../testing/issuer.ts'
import { connectRaw } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'

test('a 421 after which the cell is gone from the topology is refused, and costs one request', async () => {
  const fleet = await startFakeFleet()
  try {
    const { port, adminPort } = await fleet.startRouter({ poll_seconds: 60, access_log: { every_nth: 1 } })
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    const tenant = fleet.tenantOn(2, 1)
    fleet.cells[2]!.answer = (_seen, response) => {
      const base = fleet.buildBase()
      const table = encodeTable(Uint16Array.from({ length: 128 }, (_, place) => place % 2))
      const smaller = { ...base, cells: base.cells.slice(0, 2), table }
      fleet.controlPlane.serve('base', fleet.controlPlane.sign(smaller))
      response.writeHead(421).end()
    }
    // Within a second of the start the topology is not asked for again.
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    const refused = await send(port, { headers: ['x-tenant', tenant, 'x-cell', 'cell-2'] })
    assert.equal(refused.status, 400)
    assert.equal((await send(port, { headers: ['x-tenant', tenant] })).status, 200)
  } finally {
    await fleet.stop()
  }
})

test('a client that resets while its request waits is noticed, also when its token was new', async () => {
  const fleet = await startFakeFleet({
    base: { partition_key: [{ from: 'jwt', claim: 'customer_id' }], tokens: TOKENS },
  })
  try {
    const issuer = await createIssuer('key-1')
    const file = join(fleet.folder, 'jwks.json')
    await writeFile(file, JSON.stringify({ keys: [issuer.jwk] }))
    const { port, adminPort } = await fleet.startRouter({ jwks: { file } })
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    const cell = fleet.cells[0]!
    let isCut = false
    cell.answer = (_seen, response) => response.on('close', () => (isCut = true))
    const token = await issuer.issue({ customer_id: fleet.tenantOn(0, 1) })
    const client = await connectRaw(port)
    client.write(`GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await until('the request to arrive', () => cell.arrivals === 1)
    client.reset()
    await until('the cell to see it', () => isCut)
  } finally {
    await fleet.stop()
  }
})
