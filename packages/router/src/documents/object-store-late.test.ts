/** News of health from an object store, and from a control plane beside it, while the store is late with something else or cannot give it. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { documentKey } from '@cellplane/contract'
import { until } from '../testing/wait.ts'
import { baseOf, PREFIX, putOther, startGround, statusOf } from './fixtures/object-store-ground.ts'

/** So long that no test waits for it. */
const PATIENT = { headMs: 600_000, silenceMs: 600_000, totalMs: 600_000 }

describe('news of health', { concurrency: 4 }, () => {
  test('comes though the object store never gives the base, and the base when it does', async (t) => {
    const ground = await startGround(t)
    const { fleet, s3 } = ground
    ground.publishBase()
    const router = await fleet.startRouter({ topology: ground.topology() }, { fetching: PATIENT })
    await until('the base', async () => await baseOf(router))
    const held: ServerResponse[] = []
    s3.intercept = (key, response) => key.includes('/base/') && held.push(response) > 0
    const base = fleet.buildBase()
    const text = fleet.controlPlane.sign(base)
    ground.point({ base: ground.put('base', base, text) })
    for (const _ of ['with that base', 'while it is under way']) {
      const { version } = ground.publishOverlay()
      await until('the overlay', async () => (await statusOf(router)).overlay?.version === version)
    }
    assert.equal(held.length, 1, 'one base is under way, however many looks there are')
    held[0]!.writeHead(200).end(text)
    await until('that base', async () => (await baseOf(router)) === base.version)
    assert.deepEqual((await statusOf(router)).refused_documents, { base: 0, overlay: 0, jwks: 0 })
  })

  test('comes while a base is late that is then refused, once', async (t) => {
    const ground = await startGround(t)
    const { fleet, s3 } = ground
    ground.publishBase()
    const router = await fleet.startRouter({ topology: ground.topology() }, { fetching: PATIENT })
    await until('the base', async () => await baseOf(router))
    const held: ServerResponse[] = []
    s3.intercept = (key, response) => key.includes('/base/') && held.push(response) > 0
    const base = fleet.buildBase()
    const text = fleet.controlPlane.sign(base).replace('"shard_size":2', '"shard_size":1')
    ground.point({ base: ground.put('base', base, text) })
    const overlay = ground.publishOverlay()
    await until('the overlay', async () => (await statusOf(router)).overlay?.version === overlay.version)
    held[0]!.writeHead(200).end(text)
    await until('the refusal', async () => (await statusOf(router)).refused_documents.base === 1)
    s3.log.length = 0
    await until('looks at what has not changed', () => ground.asked('current.json 304').length >= 2)
    assert.equal(held.length, 1, 'it is not asked for again')

    const next = ground.publishBase()
    await until('a question for the next base', () => held.length > 1)
    held[1]!.writeHead(200).end(s3.objects.get(documentKey(PREFIX, 'base', next)))
    await until('the next base', async () => (await baseOf(router)) === next.version)
  })

  test('comes though the object store has not the base that its pointer names, and that is told', async (t) => {
    const ground = await startGround(t)
    const { fleet, s3 } = ground
    ground.publishBase()
    const router = await fleet.startRouter({ topology: ground.topology() })
    await until('the base', async () => await baseOf(router))
    s3.objects.delete(putOther(ground, '').key)
    const { version } = ground.publishOverlay()
    await until('the overlay', async () => (await statusOf(router)).overlay?.version === version)
    const failure = await until('the reason', async () => (await statusOf(router)).object_store.failure)
    assert.match(failure, /base\/1000\.1\.json answered 404/)
  })

  test('comes from the control plane that is back, though the object store has not answered yet', async (t) => {
    const ground = await startGround(t)
    const { fleet, s3 } = ground
    let asked = 0
    s3.intercept = () => ++asked > 0
    const { url } = fleet.controlPlane
    await fleet.controlPlane.stop()
    const topology = ground.topology({ after_seconds: 0 }, url)
    const router = await fleet.startRouter({ topology }, { fetching: PATIENT })
    await until('a question to the object store', () => asked > 0)
    const { version } = fleet.publishBase()
    await fleet.controlPlane.start()
    await until('the control plane’s base', async () => (await baseOf(router)) === version)
    assert.equal(asked, 1, 'one look is under way, however many passes there are')
    assert.equal((await statusOf(router)).object_store.failures, 0)
  })
})
