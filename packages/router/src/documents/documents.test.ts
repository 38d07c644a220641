import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFile, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodeTable, keyIdOf, signDocument } from '@cellplane/contract'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

async function withFleet(
  run: (fleet: FakeFleet) => Promise<void>,
  options: Parameters<typeof startFakeFleet>[0] = {},
): Promise<void> {
  const fleet = await startFakeFleet(options)
  try {
    await run(fleet)
  } finally {
    await fleet.stop()
  }
}

const statusOf = async (router: Router) => (await send(router.adminPort, { path: '/status' })).json
const isReady = async (router: Router) => (await send(router.adminPort, { path: '/readyz' })).status === 200
const refusedOf = async (router: Router) => (await statusOf(router)).refused_documents

/** Runs a router until it has both documents on its disk. */
async function leaveLastGood(fleet: FakeFleet): Promise<string> {
  const router = await fleet.startRouter()
  await until('both documents', async () => (await statusOf(router)).overlay)
  await router.stop()
  return join(fleet.folder, 'router-1')
}

// Each has a fleet of its own; together they wait no longer than the longest.
describe('the topology', { concurrency: 4 }, () => {
  test('before any topology a request is 503 NO_TOPOLOGY and the router is not ready', () =>
    withFleet(
      async (fleet) => {
        const router = await fleet.startRouter()
        const { status, headers, json } = await send(router.port)
        assert.equal(status, 503)
        assert.equal(json.code, 'NO_TOPOLOGY')
        assert.ok(headers['retry-after'])
        assert.equal(await isReady(router), false)
        fleet.publishBase()
        await until('readiness', () => isReady(router))
        assert.equal((await send(router.port)).status, 200)
      },
      { isPublished: false },
    ))

  test('with the control plane dead a router serves from its disk as soon as it has started', () =>
    withFleet(async (fleet) => {
      fleet.publishOverlay({ unhealthy: [{ slot: 1, since: '2026-01-01T00:00:00Z', reason: 'probe' }] })
      await leaveLastGood(fleet)
      await fleet.controlPlane.stop()
      const router = await fleet.startRouter()
      assert.equal(await isReady(router), true)
      const { status, json } = await send(router.port, { headers: ['x-tenant', fleet.tenantOn(1, 2)] })
      assert.equal(status, 200)
      // The overlay is on the disk too.
      assert.equal(json.cell, 'cell-2')
      assert.deepEqual(await refusedOf(router), { base: 0, overlay: 0, jwks: 0 })
    }))

  test('a control plane that comes back is followed again', () =>
    withFleet(async (fleet) => {
      await leaveLastGood(fleet)
      await fleet.controlPlane.stop()
      const router = await fleet.startRouter()
      const { version } = fleet.publishBase()
      await fleet.controlPlane.start()
      await until('the newer base', async () => (await statusOf(router)).base.version === version)
    }))

  for (const [what, damage] of [
    ['truncated', async (file: string) => truncate(file, 700)],
    ['emptied', async (file: string) => truncate(file, 0)],
    [
      'changed',
      async (file: string) =>
        writeFile(file, (await readFile(file, 'utf8')).replace(/"issued_at":"2/, '"issued_at":"3')),
    ],
  ] as const) {
    test(`a ${what} file on the disk is refused and counted, and the network is asked`, () =>
      withFleet(async (fleet) => {
        const folder = await leaveLastGood(fleet)
        await damage(join(folder, 'base.json'))
        const router = await fleet.startRouter()
        assert.equal((await refusedOf(router)).base, 1)
        assert.match((await statusOf(router)).last_refusal, /base from disk/)
        await until('readiness', () => isReady(router))
        assert.equal((await send(router.port)).status, 200)
        await router.stop()
        // And what was accepted then is whole on the disk again.
        await fleet.controlPlane.stop()
        assert.equal(await isReady(await fleet.startRouter()), true)
      }))

    test(`a ${what} overlay on the disk costs nothing but its marks`, () =>
      withFleet(async (fleet) => {
        const folder = await leaveLastGood(fleet)
        await damage(join(folder, 'overlay.json'))
        await fleet.controlPlane.stop()
        const router = await fleet.startRouter()
        assert.equal((await refusedOf(router)).overlay, 1)
        assert.equal((await send(router.port)).status, 200)
      }))
  }

  test('a base from the network that is not good is refused, counted once, reported; the last good one stays', () =>
    withFleet(async (fleet) => {
      const { controlPlane } = fleet
      const router = await fleet.startRouter({ limits: { document_bytes_max: 100_000 } })
      const good = await until('a base', async () => (await statusOf(router)).base)
      const stranger = generateKeyPairSync('ed25519').privateKey
      const signed = () => JSON.parse(controlPlane.sign(fleet.buildBase()))
      const cases: [code: RegExp, text: string][] = [
        [/not JSON/, 'garbage'],
        [/not JSON/, controlPlane.sign(fleet.buildBase()).slice(0, 500)],
        [/mapping|object|expected/i, '[]'],
        [/format 2/, JSON.stringify({ ...signed(), format: 2 })],
        [/unknown field/, controlPlane.sign({ ...fleet.buildBase(), surprise: 1 } as never)],
        [/more than 100000 bytes/, JSON.stringify({ ...signed(), padding: 'x'.repeat(200_000) })],
        [/signature does not fit/, JSON.stringify({ ...signed(), shard_size: 1 })],
        [/trusted/, JSON.stringify(signDocument(fleet.buildBase(), keyIdOf(stranger), stranger))],
        [/newer than/, controlPlane.sign(fleet.buildBase({ version: 0 }))],
        [/fleet "other"/, controlPlane.sign(fleet.buildBase({ fleet: 'other' }))],
        [/no cell is active/, controlPlane.sign(fleet.buildBase({ cells: [] }))],
        [/table/, controlPlane.sign(fleet.buildBase({ table: encodeTable(new Uint16Array(8)) }))],
      ]
      for (const [i, [reason, text]] of cases.entries()) {
        controlPlane.serve('base', text)
        await until(`refusal ${i}`, async () => (await refusedOf(router)).base === i + 1)
        const status = await statusOf(router)
        assert.match(status.last_refusal, reason, text.slice(0, 200))
        assert.deepEqual(status.base, good)
        assert.equal((await send(router.port)).status, 200)
      }
      // Asked for again and again, the same bad document is refused once.
      const fetches = controlPlane.fetches.base
      await until('two more polls', () => controlPlane.fetches.base >= fetches + 2)
      assert.equal((await refusedOf(router)).base, cases.length)
      const report = await until('a report that says so', () =>
        controlPlane.reports.findLast(({ refused_documents }) => refused_documents === cases.length),
      )
      assert.match(report.last_refusal!, /table/)
      assert.equal(report.base!.version, good.version)
      assert.match(report.base!.signature!, /^[\w-]{86}$/)
      // And the next good one is taken.
      const { version } = fleet.publishBase()
      await until('the good base', async () => (await statusOf(router)).base.version === version)
    }))

  test('an overlay from the network that is not good is refused and does not hinder the next', () =>
    withFleet(async (fleet) => {
      const router = await fleet.startRouter()
      await until('an overlay', async () => (await statusOf(router)).overlay)
      fleet.controlPlane.serve('overlay', '{"format":1,"kind":"overlay"')
      await until('the refusal', async () => (await refusedOf(router)).overlay === 1)
      const { version } = fleet.publishOverlay()
      await until('the good overlay', async () => (await statusOf(router)).overlay.version === version)
    }))

  test('a push is followed at once, without waiting for the poll', () =>
    withFleet(async (fleet) => {
      const router = await fleet.startRouter({ poll_seconds: 3600 })
      await until('the subscription', () => fleet.controlPlane.subscriberCount === 1)
      await until('readiness', () => isReady(router))
      for (let i = 0; i < 3; i++) {
        const base = fleet.publishBase()
        await until('the base', async () => (await statusOf(router)).base.version === base.version)
        const overlay = fleet.publishOverlay()
        await until('the overlay', async () => (await statusOf(router)).overlay.version === overlay.version)
      }
    }))

  test('a new topology neither loses counts nor pardons a cell', () =>
    withFleet(async (fleet) => {
      const router = await fleet.startRouter()
      await until('readiness', () => isReady(router))
      const tenant = fleet.tenantOn(0, 1)
      await fleet.cells[0]!.kill()
      await until('the ejection', async () => {
        await send(router.port, { headers: ['x-tenant', tenant] })
        return fleet.logLines.some((line) => line.includes('cell ejected'))
      })
      // The dead cell moves from the first index to the last.
      const { cells } = fleet.buildBase()
      const { version } = fleet.publishBase({ cells: [...cells].reverse() })
      await until('the base', async () => (await statusOf(router)).base.version === version)
      const { text } = await send(router.adminPort, { path: '/metrics' })
      assert.match(text, /connect_failures_total\{cell="cell-0"\} [1-9]/)
      assert.match(text, /ejections_total\{cell="cell-0"\} [1-9]/)
      assert.equal((await send(router.port, { headers: ['x-tenant', tenant] })).json.cell, 'cell-1')
    }))

  test('a marked cell gets nothing while its mark holds, and all of its own afterwards', () =>
    withFleet(
      async (fleet) => {
        const router = await fleet.startRouter()
        await until('readiness', () => isReady(router))
        const ask = () => send(router.port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        fleet.publishOverlay({ unhealthy: [{ slot: 0, since: '2026-01-01T00:00:00Z', reason: 'probe' }] })
        await until('the mark', async () => (await ask()).json.cell === 'cell-1')
        const before = fleet.cells[0]!.arrivals
        for (let i = 0; i < 10; i++) assert.equal((await ask()).json.cell, 'cell-1')
        const named = await send(router.port, {
          headers: ['x-tenant', fleet.tenantOn(0, 1), 'x-cell', 'cell-0'],
        })
        assert.equal(named.json.code, 'CELL_UNAVAILABLE')
        assert.equal(fleet.cells[0]!.arrivals, before)
        fleet.publishOverlay()
        await until('the full share', async () => (await statusOf(router)).cells[0].fitness === 1)
        assert.equal((await ask()).json.cell, 'cell-0')
      },
      { base: { limits: { ramp_seconds: 0.3, unhealthy_share_max: 0.5 } } },
    ))

  test('marks on more than the allowed share of cells are not believed', () =>
    withFleet(async (fleet) => {
      const router = await fleet.startRouter()
      await until('readiness', () => isReady(router))
      const since = '2026-01-01T00:00:00Z'
      fleet.publishOverlay({ unhealthy: [0, 1, 2].map((slot) => ({ slot, since, reason: 'liar' })) })
      const status = await until('the doubt', async () => {
        const found = await statusOf(router)
        return found.health_marks_ignored_because !== '' && found
      })
      assert.match(status.health_marks_ignored_because, /presumed wrong/)
      assert.ok(status.cells.every((cell: { fitness: number }) => cell.fitness === 1))
    }))

  test('after the TTL without news marks are dropped and placement stays', () =>
    withFleet(
      async (fleet) => {
        fleet.publishOverlay({ unhealthy: [{ slot: 0, since: '2026-01-01T00:00:00Z', reason: 'probe' }] })
        const router = await fleet.startRouter()
        const ask = () => send(router.port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        await until('readiness', () => isReady(router))
        await until('the mark', async () => (await ask()).json.cell === 'cell-1')
        await fleet.controlPlane.stop()
        await until('the end of the mark', async () => (await ask()).json.cell === 'cell-0')
        assert.match((await statusOf(router)).health_marks_ignored_because, /marks count for 1 s/)
        await router.stop()
        // An overlay that was old before the restart is old after it.
        const past = new Date(Date.now() - 60_000)
        await utimes(join(fleet.folder, 'router-1', 'overlay.json'), past, past)
        const again = await fleet.startRouter()
        assert.equal(
          (await send(again.port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })).json.cell,
          'cell-0',
        )
      },
      { base: { topology_ttl_seconds: 1, limits: { ramp_seconds: 0, unhealthy_share_max: 0.5 } } },
    ))
})
