/** An overlay that is genuine and marks a slot that no cell has: what a router does with it, and that it does not get stuck. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

const statusOf = async (router: Router) => (await send(router.adminPort, { path: '/status' })).json
const marks = (...slots: number[]) =>
  slots.map((slot) => ({ slot, since: new Date().toISOString(), reason: 'probe' }))
const metricsOf = async (router: Router) => (await send(router.adminPort, { path: '/metrics' })).text
const UNKNOWN = 77
/** It is on its ramp for a while, so what it is sent does not tell. */
const NOT_MARKED = /^cellplane_router_cell_marked_unhealthy\{cell="cell-1"\} 0$/m

test('an overlay with a slot that its own base lacks is refused, and the one before stays', async (t) => {
  const fleet = await startFakeFleet({ isPublished: false })
  t.after(() => fleet.stop())
  const router = await fleet.startRouter()
  const { version } = fleet.publishBase()
  const good = fleet.publishOverlay({ base_version: version, unhealthy: marks(1) })
  await until('the overlay', async () => (await statusOf(router)).overlay?.version === good.version)
  fleet.publishOverlay({ base_version: version, unhealthy: marks(2, UNKNOWN) })
  await until('the refusal', async () => (await statusOf(router)).refused_documents.overlay === 1)
  const status = await statusOf(router)
  assert.match(
    status.last_refusal,
    /overlay from origin: unhealthy: marks slots that no cell has: 77; expected/,
  )
  assert.equal(status.overlay.version, good.version)
  const headers = ['x-tenant', fleet.tenantOn(1, 2)]
  assert.equal((await send(router.port, { headers })).json.cell, 'cell-2', 'the mark before')
  const next = fleet.publishOverlay({ base_version: version, unhealthy: marks(2) })
  await until('the next', async () => (await statusOf(router)).overlay.version === next.version)
  assert.equal((await send(router.port, { headers })).json.cell, 'cell-1')
})

test('one that comes before its base is taken, and found out by its base: counted, explained, and none of its marks is followed', async (t) => {
  const fleet = await startFakeFleet({ isPublished: false })
  t.after(() => fleet.stop())
  const router = await fleet.startRouter()
  const first = fleet.publishBase()
  await until('a base', async () => (await statusOf(router)).base)
  const early = fleet.publishOverlay({
    base_version: first.version + 10,
    unhealthy: marks(1, UNKNOWN),
    quarantined: [{ tenant: 'poison', since: new Date().toISOString(), reason: 'crashes' }],
  })
  await until('the overlay', async () => (await statusOf(router)).overlay?.version === early.version)
  assert.equal((await statusOf(router)).refused_documents.overlay, 0)
  const headers = ['x-tenant', fleet.tenantOn(1, 2)]
  assert.equal((await send(router.port, { headers })).json.cell, 'cell-2')

  fleet.publishBase({ version: first.version + 10 })
  await until('its base', async () => (await statusOf(router)).base.version === first.version + 10)
  const status = await statusOf(router)
  assert.deepEqual(status.refused_documents, { base: 0, overlay: 1, jwks: 0 })
  assert.match(status.last_refusal, /: 77; expected slots of base \(epoch 1, version 11\), which it names/)
  assert.match(status.last_refusal, new RegExp(`2 marks of overlay ${early.version} are no longer followed`))
  assert.equal(status.overlay.version, early.version)
  const metrics = await metricsOf(router)
  assert.match(metrics, NOT_MARKED, 'that mark was of the same hand')
  assert.match(metrics, /^cellplane_router_tenants_quarantined 1$/m, 'who is in quarantine stays there')
  fleet.publishBase({ version: first.version + 11 })
  await until('the base after it', async () => (await statusOf(router)).base.version === first.version + 11)
  assert.equal((await statusOf(router)).refused_documents.overlay, 1, 'no other base asks')
  assert.match(await metricsOf(router), NOT_MARKED, 'and none brings the marks back')
})
