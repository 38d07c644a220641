import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { encodeTable, type UnsignedTopologyBase } from '@cellplane/contract'
import { READER_LIMITS } from '../documents/document-reader.ts'
import type { FakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'
import { assertUnharmed, onGround, startReadyRouter, statusOf } from './ground.ts'
import { onProcesses } from './processes.ts'
import { faultsOf } from './specification.ts'

type Fault = (t: TestContext) => Promise<void>

const MEANWHILE = 40
const PUBLICATIONS = 100
const SHARED_PUBLICATIONS = 10
const MIB = 1024 * 1024

/** The sizes of the faults' names. */
const CELLS_MANY = 1_000
const DOCUMENT_BYTES = 10_000_000

/**
 * What the event loop's stall may be of the time until a large document is taken. Both grow with how busy the machine is,
 * so this is no question of its speed. Read by the process that serves, a document would hold it up for nearly all of that
 * time; 20 to 920 ms, a tenth and less, is what was measured.
 */
const STALL_SHARE_MAX = 0.5
/** And on any machine. */
const STALL_MS_MAX = 5_000

const marksOf = (slots: readonly number[]) =>
  slots.map((slot) => ({ slot, since: '2026-01-01T00:00:00Z', reason: 'probe' }))

/** The four cells of the ground, and others that no bucket has. */
function manyCells(fleet: FakeFleet): Partial<UnsignedTopologyBase> {
  const { cells, hash, table, shard_size: shardSize } = fleet.buildBase()
  const more = Array.from({ length: CELLS_MANY - cells.length }, (_, nth) => {
    const slot = cells.length + nth
    return { ...cells[nth % cells.length]!, slot, id: `cell-${slot}` }
  })
  return { cells: [...cells, ...more], hash, table, shard_size: shardSize }
}

/** Pins of other tenants until the document is as large. */
function manyPins(): Partial<UnsignedTopologyBase> {
  const pin = (nth: number) => ({
    tenant: `pinned-tenant-with-a-name-${nth}`,
    cells: [nth % 4, (nth + 1) % 4],
    reason: 'pin' as const,
    generation: 0,
  })
  const count = Math.ceil(DOCUMENT_BYTES / JSON.stringify(pin(10_000)).length)
  return { overrides: Array.from({ length: count }, (_, nth) => pin(nth)) }
}

/** A large document, valid in all, is taken while requests go on. */
const large =
  (more: (fleet: FakeFleet) => Partial<UnsignedTopologyBase>): Fault =>
  (t) =>
    onProcesses(async ({ fleet, load, spawn }) => {
      // Made and signed before it matters: this process is the load's too.
      const base = fleet.buildBase(more(fleet))
      const text = fleet.controlPlane.sign(base)
      const router = await spawn()
      const others = load(router.port, 'others')
      await others.during(MEANWHILE)
      const before = await router.probe()
      const servedAt = performance.now()
      fleet.controlPlane.serve('base', text)
      await until('it to be taken', async () => (await statusOf(router)).base.version === base.version)
      const takenMs = performance.now() - servedAt
      const after = await router.probe()
      assertUnharmed(t, 'others', await others.during(MEANWHILE))
      t.diagnostic(
        `${(text.length / 1e6).toFixed(1)} MB: taken after ${Math.round(takenMs)} ms; the event loop was held up for ${after.stallMaxMs} ms at most; ${Math.round((after.rssBytes - before.rssBytes) / MIB)} MiB more`,
      )
      assert.ok(
        after.stallMaxMs < Math.min(STALL_MS_MAX, takenMs * STALL_SHARE_MAX),
        `the event loop was held up for ${after.stallMaxMs} ms`,
      )
      assertUnharmed(t, 'others, all the while', await others.stop())
    })

const FAULTS: Record<string, Fault> = {
  'document-no-cells': (t) =>
    onGround(async ({ fleet, load }) => {
      const router = await startReadyRouter(fleet)
      const others = load(router.port, 'others')
      const held = (await statusOf(router)).base
      const drained = fleet.buildBase().cells.map((cell) => ({ ...cell, state: 'drained' as const }))
      for (const [nth, cells] of [[], drained].entries()) {
        const table = encodeTable(new Uint16Array(128))
        fleet.publishBase(cells.length === 0 ? { cells, table } : { cells })
        await until('it to be refused', async () => {
          return (await statusOf(router)).refused_documents.base === nth + 1
        })
        assertUnharmed(t, 'others', await others.during(MEANWHILE))
      }
      assert.deepEqual((await statusOf(router)).base, held)
      assertUnharmed(t, 'others, all the while', await others.stop())
    }),
  'document-1000-cells': large(manyCells),
  'document-10-mb': large(manyPins),
  // Twenty times its size when parsed, in the place of a document that takes more than the default.
  'document-unreadable': (t) =>
    onGround(async ({ fleet, load }) => {
      const router = await fleet.startRouter({}, { reading: { ...READER_LIMITS, heapMibMax: 32 } })
      await until('both documents', async () => (await statusOf(router)).overlay)
      const others = load(router.port, 'others')
      const held = (await statusOf(router)).base
      fleet.controlPlane.serve('base', `[${'{},'.repeat(1_000_000)}{}]`)
      await until('it to be refused', async () => (await statusOf(router)).refused_documents.base === 1)
      assert.match((await statusOf(router)).last_refusal, /could not be read: .* 32 MiB of memory/)
      assertUnharmed(t, 'others', await others.during(MEANWHILE))
      assert.deepEqual((await statusOf(router)).base, held)
      const { version } = fleet.publishBase()
      await until('the next', async () => (await statusOf(router)).base.version === version)
      assertUnharmed(t, 'others, all the while', await others.stop())
    }),
  'overlay-all-unhealthy': (t) =>
    onGround(async ({ fleet, load }) => {
      const router = await startReadyRouter(fleet)
      const others = load(router.port, 'others')
      fleet.publishOverlay({ unhealthy: marksOf([0, 1, 2, 3]) })
      await until('it to be ignored', async () => {
        return /4 of 4/.test((await statusOf(router)).health_marks_ignored_because)
      })
      const seen = await others.during(MEANWHILE)
      assertUnharmed(t, 'others', seen)
      // Half of them are at home in each: nobody was moved.
      assert.deepEqual(Object.keys(seen.byCell).sort(), ['cell-2', 'cell-3'])
      assertUnharmed(t, 'others, all the while', await others.stop())
    }),
  // A TTL of a second in the place of one that a day outlasts.
  'day-without-news': (t) =>
    onGround(async ({ fleet, load }) => {
      const { version } = fleet.publishBase({ topology_ttl_seconds: 1 })
      fleet.publishOverlay({ base_version: version, unhealthy: marksOf([0]) })
      const router = await startReadyRouter(fleet)
      const [others, victims] = [load(router.port, 'others'), load(router.port, 'victims')]
      assert.deepEqual(Object.keys((await victims.during(10)).byCell), ['cell-1'])
      await fleet.controlPlane.stop()
      await until('the victims to be home again', async () => {
        return (await victims.during(5)).byCell['cell-0'] !== undefined
      })
      assert.match((await statusOf(router)).health_marks_ignored_because, /marks count for 1 s/)
      assert.equal((await statusOf(router)).base.version, version)
      assertUnharmed(t, 'others', await others.stop())
      assertUnharmed(t, 'those of the cell that was marked', await victims.stop())
    }),
  'publications-100': (t) =>
    onGround(async ({ fleet, load }) => {
      const router = await startReadyRouter(fleet)
      const [others, victims] = [load(router.port, 'others'), load(router.port, 'victims')]
      // A base and an overlay at a time, and both are taken before the next.
      for (let nth = 0; nth < PUBLICATIONS / 2; nth++) {
        const { cells, routes } = fleet.buildBase()
        const state = nth % 2 === 0 ? ('draining' as const) : ('active' as const)
        const base = fleet.publishBase({
          cells: cells.map((cell) => (cell.slot === 0 ? { ...cell, state } : cell)),
          routes: [...routes, { path: `/added/${nth}`, failover: 'home-only' }],
          choice: nth % 3 === 0 ? 'least-loaded' : 'home-first',
        })
        const unhealthy = marksOf(nth % 4 === 0 ? [0] : [])
        const overlay = fleet.publishOverlay({ base_version: base.version, unhealthy })
        await until('both', async () => {
          const status = await statusOf(router)
          return status.base.version === base.version && status.overlay.version === overlay.version
        })
      }
      assertUnharmed(t, 'others', await others.stop())
      assertUnharmed(t, 'those of the cell that came and went', await victims.stop())
    }),
  'state-dir-shared': (t) =>
    onGround(async ({ fleet, load }) => {
      const state_dir = join(fleet.folder, 'shared')
      const first = await startReadyRouter(fleet, { state_dir })
      const second = await startReadyRouter(fleet, { router: 'router-2', state_dir })
      const [others, victims] = [load(first.port, 'others'), load(second.port, 'victims')]
      let version = 0
      for (let nth = 0; nth < SHARED_PUBLICATIONS; nth++) {
        ;({ version } = fleet.publishBase())
        await until('both to have it', async () => {
          const [a, b] = await Promise.all([statusOf(first), statusOf(second)])
          return a.base.version === version && b.base.version === version
        })
      }
      assertUnharmed(t, 'others at one', await others.stop())
      assertUnharmed(t, 'victims at the other', await victims.stop())
      await Promise.all([first.stop(), second.stop(), fleet.controlPlane.stop()])
      const next = await fleet.startRouter({ state_dir })
      const { base, refused_documents } = await statusOf(next)
      assert.deepEqual([base.version, refused_documents.base], [version, 0])
      assert.deepEqual((await readdir(state_dir)).sort(), ['base.json', 'overlay.json'])
    }),
}

// Each has a fleet of its own, and mostly waits.
describe('whatever is published, requests are served:', { concurrency: 4 }, () => {
  for (const [name, fault] of faultsOf('Documents', FAULTS)) test(name, fault)
})
