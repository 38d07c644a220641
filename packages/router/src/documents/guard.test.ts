/** A base that is genuine and changes too much at once: what a router does with it, and that it does not get stuck. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeTable, encodeTable } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

test('a router refuses a base beyond the budget, goes on, and takes the one after it', async () => {
  const fleet = await startFakeFleet()
  try {
    const router = await fleet.startRouter()
    const status = async () => (await send(router.adminPort, { path: '/status' })).json
    const { version } = await until('a base', async () => (await status()).base)
    const { table, hash, shard_size: size } = fleet.buildBase()
    const slots = decodeTable(table, hash.buckets, size)
    assert.ok(slots.ok)
    const shifted = encodeTable(
      Uint16Array.of(...slots.value.subarray(size), ...slots.value.subarray(0, size)),
    )

    fleet.publishBase({ version: version + 1, table: shifted })
    await until('the refusal', async () => (await status()).refused_documents.base === 1)
    const after = await status()
    assert.equal(after.base.version, version)
    assert.match(after.last_refusal, /base from origin: budget\.moved_share: .* of all places move/)
    assert.equal(
      (await send(router.port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })).json.cell,
      'cell-0',
    )
    const report = await until('a report of it', () =>
      fleet.controlPlane.reports.findLast(({ refused_documents }) => refused_documents === 1),
    )
    assert.equal(report.base!.version, version)

    fleet.publishBase({ version: version + 2, table: shifted })
    await until('the base after it', async () => (await status()).base.version === version + 2)
    fleet.publishBase({ version: version + 3, table, forced: true })
    await until('one that is forced', async () => (await status()).base.version === version + 3)
  } finally {
    await fleet.stop()
  }
})
