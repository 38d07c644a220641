import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { keyIdOf, signDocument } from '@cellplane/contract'
import { FETCH_WAITS } from '../documents/fetch-document.ts'
import type { Router } from '../router.ts'
import { until } from '../testing/wait.ts'
import { assertUnharmed, type Ground, onGround, startReadyRouter, statusOf } from './ground.ts'
import { MADNESS, type Madness, startHostileControlPlane } from './hostile-control-plane.ts'
import type { Load } from './load.ts'
import { faultsOf } from './specification.ts'

/** Documents, events and reports are asked for and sent one at a time. */
const CONNECTIONS_MAX = 6

/** What is beyond is not read, however much there is. */
const DOCUMENT_BYTES_MAX = 2 * 1024 * 1024

/** Sooner than by default, so that one without an end is given up while the test lasts. */
const FETCHING = { ...FETCH_WAITS, totalMs: 3_000 }

/** Of the whole test with both ends of all connections; a body of 10 GB, or one without an end, would pass it. */
const GROWN_BYTES_MAX = 300 * 1024 * 1024

type Stage = Ground & { router: Router; others: Load }
type StagedFault = (t: TestContext, stage: Stage) => Promise<void>

/** Requests that begin and end while a fault lasts. */
const MEANWHILE = 40

/** The router finds its control plane again. */
async function assertFollowed({ fleet, router }: Stage): Promise<void> {
  const { version } = fleet.publishBase()
  await until('the newer base', async () => (await statusOf(router)).base.version === version)
}

/** The control plane is replaced by one gone mad, which everything that asks or reports meets while requests go on. */
const replaced =
  (madness: Madness, happens: (stage: Stage) => Promise<void> = async () => {}): StagedFault =>
  async (t, stage) => {
    const { controlPlane } = stage.fleet
    const port = Number(new URL(controlPlane.url).port)
    await controlPlane.stop()
    const memory = process.memoryUsage.rss()
    const mad = await startHostileControlPlane(port, madness)
    try {
      await until('it to be asked for documents and events, and to be told', () => mad.asked >= 3)
      assertUnharmed(t, 'others', await stage.others.during(MEANWHILE))
      await happens(stage)
      const grownBytes = process.memoryUsage.rss() - memory
      t.diagnostic(
        `asked ${mad.asked} times, at most ${mad.openMax} connections, ${grownBytes >> 20} MiB more`,
      )
      assert.ok(mad.openMax <= CONNECTIONS_MAX, `${mad.openMax} connections at once`)
      assert.ok(grownBytes < GROWN_BYTES_MAX, `${grownBytes} bytes more`)
    } finally {
      await mad.stop()
      await controlPlane.start()
    }
    await assertFollowed(stage)
  }

const FAULTS: Record<string, StagedFault> = {
  'control-plane-silent': replaced(MADNESS.silent),
  'control-plane-trickles': replaced(MADNESS.trickling, async ({ fleet }) => {
    const givenUp = `did not come in full within ${FETCHING.totalMs} ms`
    await until('a document to be given up', () => fleet.logLines.some((line) => line.includes(givenUp)))
  }),
  'control-plane-random': replaced(MADNESS.random),
  'control-plane-endless': replaced(MADNESS.endless),
  'control-plane-frantic': replaced(MADNESS.frantic),
  'control-plane-redirects': replaced(MADNESS.redirecting),
  'control-plane-10-gb': replaced(MADNESS.huge),
  async 'control-plane-lies'(t, stage) {
    const { fleet, router, others } = stage
    const { controlPlane } = fleet
    const refused = async () => (await statusOf(router)).refused_documents.base
    const before = await refused()
    const held = (await statusOf(router)).base
    const stranger = generateKeyPairSync('ed25519').privateKey
    const cells = fleet
      .buildBase()
      .cells.map((cell) => ({ ...cell, endpoints: { http: 'http://127.0.0.1:9' } }))
    const lies = [
      JSON.stringify(signDocument(fleet.buildBase({ cells }), keyIdOf(stranger), stranger)),
      JSON.stringify({ ...JSON.parse(controlPlane.sign(fleet.buildBase())), cells }),
      controlPlane.sign(fleet.buildBase({ cells, version: 0 })),
      controlPlane.sign(fleet.buildBase({ cells, fleet: 'other' })),
    ]
    for (const [nth, lie] of lies.entries()) {
      controlPlane.serve('base', lie)
      await until('the lie to be refused', async () => (await refused()) === before + nth + 1)
    }
    assertUnharmed(t, 'others', await others.during(MEANWHILE))
    assert.deepEqual((await statusOf(router)).base, held)
    await assertFollowed(stage)
  },
  // The last one: it ends the stage's router.
  async 'control-plane-gone'(t, stage) {
    const { fleet, load, others, router } = stage
    await fleet.controlPlane.stop()
    assertUnharmed(t, 'others', await others.during(MEANWHILE))
    const { version } = (await statusOf(router)).base
    assertUnharmed(t, 'others, through all of these faults', await others.stop())
    await router.stop()
    // Started anew, with nothing but its disk.
    const next = await fleet.startRouter()
    assert.equal((await statusOf(next)).base.version, version)
    assertUnharmed(t, 'others at the next process', await load(next.port, 'others').during(MEANWHILE))
    await fleet.controlPlane.start()
    await assertFollowed({ ...stage, router: next })
  },
}

test('while the control plane fails, requests are served:', (t) =>
  onGround(async (ground) => {
    const limits = { document_bytes_max: DOCUMENT_BYTES_MAX }
    const router = await startReadyRouter(ground.fleet, { limits }, { fetching: FETCHING })
    const stage = { ...ground, router, others: ground.load(router.port, 'others') }
    for (const [name, fault] of faultsOf('The control plane', FAULTS)) {
      await t.test(name, (t) => fault(t, stage))
    }
  }))
