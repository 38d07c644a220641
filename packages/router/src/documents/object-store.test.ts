/** Routers that follow an object store, against one that checks signatures and conditions: instead of a control plane, and while it is gone. */
import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pointerKey, type TopologyPointer } from '@cellplane/contract'
import { CREDENTIALS, REGION, startS3Server } from '@cellplane/testing/s3-server'
import { send } from '../testing/client.ts'
import { FLEET } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'
import { FETCH_WAITS } from './fetch-document.ts'
import {
  BUCKET,
  baseOf,
  type Ground,
  PREFIX,
  PROMISED,
  putOther,
  referTo,
  startGround,
  statusOf,
} from './fixtures/object-store-ground.ts'
import { createStoreReader } from './object-store.ts'

const LONG_AGO = '2026-01-01T00:00:00.000Z'

const marked = (slot: number) => [{ slot, since: LONG_AGO, reason: 'probe' }]

// Most of their time is waiting.
describe('an object store', { concurrency: 4 }, () => {
  describe('a router with an object store and no control plane', { concurrency: 4 }, () => {
    test('starts from it, follows it, reads what is unchanged no second time, and has a disk as any other', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      ground.publishBase()
      ground.publishOverlay({ unhealthy: marked(1) })
      const router = await fleet.startRouter({ topology: ground.topology() })
      await until('both documents', async () => (await statusOf(router)).overlay)
      const tenant = ['x-tenant', fleet.tenantOn(1, 2)]
      assert.equal((await send(router.port, { headers: tenant })).json.cell, 'cell-2', 'home is marked')
      await until('two looks at what has not changed', () => ground.asked('current.json 304').length >= 2)
      assert.deepEqual([ground.asked('/base/').length, ground.asked('/overlay/').length], [1, 1])
      const { version } = ground.publishBase()
      await until('the next base', async () => (await baseOf(router)) === version)
      assert.equal(ground.asked('/overlay/').length, 1, 'the overlay is the same')
      const {
        object_store: store,
        control_plane_seen_at: seenAt,
        refused_documents: refused,
      } = await statusOf(router)
      assert.deepEqual([store.failures, store.failure, seenAt], [0, null, null])
      assert.deepEqual(refused, { base: 0, overlay: 0, jwks: 0 })
      assert.deepEqual(fleet.controlPlane.reports, [])

      await router.stop()
      await s3.stop()
      const again = await fleet.startRouter({ topology: ground.topology() })
      assert.equal(await baseOf(again), version)
      await until('a failure', async () => (await statusOf(again)).object_store.failures > 0)
      assert.match((await statusOf(again)).object_store.failure, /gave no document: .*ECONNREFUSED/)
    })

    test('signs what it asks; credentials that others can read are told, and taken once they are closed', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      s3.isPublic = false
      const { version } = ground.publishBase()
      const file = join(fleet.folder, 's3.json')
      await writeFile(file, JSON.stringify(CREDENTIALS), { mode: 0o644 })
      await chmod(file, 0o644)
      const router = await fleet.startRouter({ topology: ground.topology({ credentials_file: file }) })
      const failure = await until('the reason', async () => (await statusOf(router)).object_store.failure)
      assert.match(failure, /s3\.json has mode 0644; expected 0600/)
      assert.deepEqual(s3.log, [])
      await chmod(file, 0o600)
      await until('the base', async () => (await baseOf(router)) === version)
      await until('one that is asked for on a condition', () => ground.asked('current.json 304').length > 0)
      assert.equal((await statusOf(router)).object_store.failure, null)
      assert.deepEqual(ground.asked(' 403'), [])
    })

    test('gives marks the age that they have, also after a restart', async (t) => {
      const ground = await startGround(t)
      ground.publishBase()
      ground.publishOverlay({ unhealthy: marked(1), issued_at: LONG_AGO })
      const { fleet } = ground
      for (const _ of ['from the object store', 'from its disk']) {
        const router = await fleet.startRouter({ topology: ground.topology() })
        await until('the overlay', async () => (await statusOf(router)).overlay)
        const tenant = ['x-tenant', fleet.tenantOn(1, 2)]
        assert.equal((await send(router.port, { headers: tenant })).json.cell, 'cell-1')
        assert.match((await statusOf(router)).health_marks_ignored_because, /marks count for 60 s/)
        await router.stop()
        await ground.s3.stop()
      }
    })
  })

  type Spoiling = [what: string, reason: RegExp, spoil: (ground: Ground) => void]

  describe('what an object store gives and cannot be believed', () => {
    const cases: Spoiling[] = [
      [
        'a pointer that is none',
        /^base from object-store: .*in fleets\/test\/current\.json/,
        ({ s3 }) => s3.objects.set(pointerKey(PREFIX), '<html>'),
      ],
      [
        'a pointer without end',
        /more than 16384 bytes/,
        ({ s3 }) => s3.objects.set(pointerKey(PREFIX), ' '.repeat(20_000)),
      ],
      [
        'another fleet’s pointer',
        /found fleet "other".*topology\.s3\.prefix/,
        ({ point }) => point({ fleet: 'other' }),
      ],
      [
        'a pointer that goes back',
        /goes back from base \d+\.\d+ to 0\.1/,
        ({ point, put }) => point({ base: put('base', { epoch: 0, version: 1 }, '{}') }),
      ],
      [
        'a pointer that loses its overlay',
        /goes back from overlay 1\.\d+ to none/,
        ({ point }) => point({ overlay: null }),
      ],
      [
        'a pointer to elsewhere',
        /base\.key: found "\.\.\/secrets"; expected "fleets\/test\/base\/1000\.1\.json"/,
        ({ point, put }) => point({ base: { ...put('base', PROMISED, '{}'), key: '../secrets' } }),
      ],
      [
        'an object that is announced as too large',
        /5000000 bytes are announced; at most 100000 are read/,
        ({ point, put }) => point({ base: { ...put('base', PROMISED, '{}'), bytes: 5_000_000 } }),
      ],
      [
        'an object that is larger than announced',
        /is not what .*: found more bytes; expected 2 with/,
        (ground) => putOther(ground, ' '.repeat(1_000_000)),
      ],
      ['an object that was cut off', /: found 1 bytes; expected 2 with/, (ground) => putOther(ground, '{')],
      [
        'an object with another SHA-256',
        /: found 2 bytes; expected 2 with SHA-256 [0-9a-f]{64}; it is tried again in 60 s/,
        (ground) => putOther(ground, '[]'),
      ],
      [
        'a document that was changed',
        /signature does not fit/,
        ({ point, put, fleet }) => {
          const base = fleet.buildBase({ epoch: 1_000 })
          const text = fleet.controlPlane.sign(base).replace('"shard_size":2', '"shard_size":1')
          point({ base: put('base', base, text) })
        },
      ],
      [
        'a document that is older than its name says',
        /base from object-store: .*newer than/,
        ({ point, put, fleet }) => {
          const old = fleet.controlPlane.sign(fleet.buildBase({ epoch: 0 }))
          point({ base: put('base', PROMISED, old) })
        },
      ],
    ]

    test('is refused, counted once and explained; the last good documents stay, and the next good ones are taken', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      const limits = { document_bytes_max: 100_000 }
      ground.publishBase()
      const router = await fleet.startRouter({ topology: ground.topology(), limits })
      for (const [nth, [what, reason, spoil]] of cases.entries()) {
        const base = fleet.buildBase({ epoch: nth + 1 })
        ground.point({ fleet: FLEET, base: ground.put('base', base, fleet.controlPlane.sign(base)) })
        const overlay = ground.publishOverlay()
        await until('the overlay', async () => (await statusOf(router)).overlay?.version === overlay.version)
        spoil(ground)
        await until(what, async () => (await statusOf(router)).refused_documents.base === nth + 1)
        const looks = s3.log.length
        await until('another look', () => s3.log.length > looks)
        const status = await statusOf(router)
        assert.match(status.last_refusal, reason)
        assert.deepEqual(status.refused_documents, { base: nth + 1, overlay: 0, jwks: 0 }, what)
        assert.deepEqual([status.base.version, status.overlay.version], [base.version, overlay.version], what)
        assert.equal((await send(router.port)).status, 200)
      }
    })

    test('an object that is not what it should be is tried again, and taken when it is', async () => {
      const s3 = await startS3Server(BUCKET)
      s3.isPublic = true
      const reference = referTo('base', { epoch: 1, version: 1 }, 'good')
      const pointer: TopologyPointer = { format: 1, fleet: FLEET, base: reference, overlay: null }
      s3.objects.set(pointerKey(PREFIX), JSON.stringify(pointer))
      s3.objects.set(reference.key, 'evil')
      const refusals: string[] = []
      const offered: string[] = []
      const reader = createStoreReader({
        access: { endpoint: s3.url, bucket: BUCKET, prefix: PREFIX, region: REGION },
        ...{
          fleet: FLEET,
          bytesMax: 1_000,
          waits: FETCH_WAITS,
          retryMs: 0,
          signal: new AbortController().signal,
        },
        held: () => null,
        refuse: (_, [problem]) => refusals.push(problem!.code),
        async offer(_, chunks) {
          offered.push(Buffer.concat([...chunks]).toString())
          return 'taken'
        },
      })
      assert.deepEqual([await reader.look(), offered], ['', []])
      s3.objects.set(reference.key, 'good')
      assert.deepEqual([await reader.look(), offered], ['', ['good']])
      assert.deepEqual(refusals, ['TOPOLOGY_OBJECT_MISFIT'])
      await reader.look()
      assert.match(s3.log.at(-1)!, /current\.json 304$/, 'it is dealt with')
      await s3.stop()
    })
  })

  describe('an object store that cannot be asked', () => {
    const cases: Spoiling[] = [
      [
        'it forbids',
        /current\.json answered 403/,
        ({ s3 }) => {
          s3.isPublic = false
        },
      ],
      ['it has no pointer', /current\.json answered 404/, ({ s3 }) => s3.objects.delete(pointerKey(PREFIX))],
      [
        'it has not what the pointer names',
        /base\/1000\.1\.json answered 404/,
        (ground) => ground.s3.objects.delete(putOther(ground, '').key),
      ],
      [
        'it is overloaded',
        /answered 503/,
        ({ s3 }) => {
          s3.failures = 1_000_000
        },
      ],
      [
        'it sends elsewhere',
        /answered 302/,
        ({ s3 }) => {
          s3.intercept = (_, response) => {
            response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
            return true
          }
        },
      ],
      [
        'it says nothing',
        /no head came within 1000 ms/,
        ({ s3 }) => {
          s3.intercept = () => true
        },
      ],
      [
        'it stops in the middle of an object',
        /nothing more of the answer came within 1000 ms/,
        (ground) => {
          putOther(ground, '')
          ground.s3.intercept = (key, response) => {
            if (!key.includes('/base/')) return false
            response.writeHead(200).write('{')
            return true
          }
        },
      ],
    ]

    test('is told and asked again within limits; the last good documents stay, and it is followed when it is back', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      const asItWas = { isPublic: s3.isPublic, intercept: s3.intercept, failures: 0 }
      const fetching = { headMs: 1_000, silenceMs: 1_000, totalMs: 20_000 }
      const router = await fleet.startRouter({ topology: ground.topology() }, { fetching })
      for (const [what, reason, spoil] of cases) {
        Object.assign(s3, asItWas)
        const { version } = ground.publishBase()
        await until('the base', async () => (await baseOf(router)) === version)
        await until('no failure', async () => (await statusOf(router)).object_store.failure === null)
        spoil(ground)
        await until(what, async () => reason.test((await statusOf(router)).object_store.failure ?? ''))
        const { object_store: before } = await statusOf(router)
        await until(
          'another try',
          async () => (await statusOf(router)).object_store.failures > before.failures,
        )
        const status = await statusOf(router)
        assert.deepEqual([status.base.version, status.refused_documents.base], [version, 0], what)
        assert.equal((await send(router.port)).status, 200)
      }
      const page = (await send(router.adminPort, { path: '/metrics' })).text
      const failures = Number(/^cellplane_router_object_store_failures_total (\d+)/m.exec(page)?.[1])
      assert.ok(failures >= 2 * cases.length)
      const said = fleet.logLines.filter((line) => line.includes('the object store does not give'))
      assert.ok(said.length < failures, 'once for each time that it is gone, not at every look')
    })
  })

  describe('a router with a control plane and an object store', { concurrency: 4 }, () => {
    test('asks the control plane alone while that answers', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      ground.publishBase()
      const { version } = fleet.publishBase()
      fleet.publishOverlay()
      const topology = ground.topology({ after_seconds: 0.1 }, fleet.controlPlane.url)
      const router = await fleet.startRouter({ topology })
      await until('the base', async () => (await baseOf(router)) === version)
      const { fetches } = fleet.controlPlane
      const asked = fetches.overlay
      await until('some passes', () => fetches.overlay >= asked + 3)
      assert.deepEqual(s3.log, [])
    })

    test('that starts while the control plane is gone, with nothing on its disk, gets the topology from the object store at once', async (t) => {
      const ground = await startGround(t)
      const { fleet } = ground
      const fromStore = ground.publishBase()
      ground.publishOverlay()
      const { url } = fleet.controlPlane
      await fleet.controlPlane.stop()
      const router = await fleet.startRouter({ topology: ground.topology({ after_seconds: 3_600 }, url) })
      await until('the base', async () => (await baseOf(router)) === fromStore.version)
      assert.equal((await send(router.port)).status, 200)
      const { version } = fleet.publishBase()
      await fleet.controlPlane.start()
      await until('the control plane’s newer base', async () => (await baseOf(router)) === version)
      assert.equal((await statusOf(router)).refused_documents.base, 0)
    })

    test('follows the object store after a while without the control plane, and the control plane when it is back', async (t) => {
      const ground = await startGround(t)
      const { fleet, s3 } = ground
      const { version } = fleet.publishBase()
      fleet.publishOverlay()
      const topology = ground.topology({ after_seconds: 0.3 }, fleet.controlPlane.url)
      const router = await fleet.startRouter({ topology })
      await until('the base', async () => (await baseOf(router)) === version)
      // The object store is behind, as it is while a base is in its wave at this router: no news, and no fault.
      const behind = fleet.buildBase({ epoch: 0 })
      ground.point({ base: ground.put('base', behind, fleet.controlPlane.sign(behind)) })
      await fleet.controlPlane.stop()
      await until('the object store to be asked', () => ground.asked('current.json').length > 0)
      const next = ground.publishBase()
      const overlay = ground.publishOverlay()
      await until('its newer base', async () => (await baseOf(router)) === next.version)
      await until('its overlay', async () => (await statusOf(router)).overlay?.version === overlay.version)
      const last = fleet.publishBase()
      await fleet.controlPlane.start()
      await until('the control plane’s', async () => (await baseOf(router)) === last.version)
      const { fetches } = fleet.controlPlane
      const asked = fetches.overlay
      await until('a pass', () => fetches.overlay >= asked + 1)
      s3.log.length = 0
      await until('some passes', () => fetches.overlay >= asked + 4)
      assert.deepEqual(s3.log, [])
      assert.equal((await statusOf(router)).refused_documents.base, 0)
    })

    test('asks the object store though the control plane takes connections and says nothing', async (t) => {
      const ground = await startGround(t)
      const { version } = ground.publishBase()
      const silent = createServer(() => {})
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
      t.after(() => {
        silent.closeAllConnections()
        silent.close()
      })
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const fetching = { headMs: 2_000, silenceMs: 2_000, totalMs: 20_000 }
      const router = await ground.fleet.startRouter({ topology: ground.topology({}, url) }, { fetching })
      await until('the base', async () => (await baseOf(router)) === version)
    })
  })
})
