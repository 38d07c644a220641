/**
 * The bad file: what stands where the control plane would publishes documents that are empty, corrupt, oversized, or
 * signed and wrong, one after the other; then it goes mad altogether. Two real routers follow it all the while, and a
 * third starts in the middle of it, with what the first one had on disk. No request may see any of it.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MADNESS, startHostileControlPlane } from '@cellplane/router/hostile-control-plane'
import { freePortRange, waitFor } from '@cellplane/testing'
import type { Plan } from '../gray-failure/plan.ts'
import { compileCells, createSigner, FLEET, unmarkedOverlay } from '../gray-failure/proxies/cells.ts'
import { startInstances } from '../gray-failure/service/instances.ts'
import { type RouterProcess, startRouterProcess } from '../router-process.ts'
import { startSteadyLoad } from '../steady-load.ts'
import { badDocuments, type Good } from './bad-documents.ts'
import { type Kind, type Publisher, startPublisher } from './publisher.ts'

export type BadFilePlan = { cells: number; tenants: number; requestsPerSecond: number; seed: number }

export type BadFileResult = {
  requests: number
  failures: Record<string, Record<string, number>>
  /** Requests that another cell answered than the tenant's before all this. */
  moved: number
  /** By document: how many of the two routers refused it. */
  refusedBy: Record<string, number>
  /** Of an overlay that marks every cell, why the routers ignored its marks. */
  marksIgnoredBecause: string
  /** How often routers asked while the publisher was mad. */
  askedMad: number
  /** The router that started meanwhile: tenants whom it sent where the others did, and all that it was asked for. */
  freshRouter: { right: number; asked: number }
  versionBefore: number
  versionAfter: number
}

type Status = {
  base: { version: number } | null
  overlay: { version: number } | null
  refused_documents: Record<Kind, number>
  health_marks_ignored_because: string
}

const WAIT_MS = 60_000
/** Routers look this often; nobody tells them of news here. */
const POLL_SECONDS = 0.2
const SERVICE: Plan['service'] = { concurrency: 20, workMs: 5, waitingMax: 200, brokenWorkMs: 0 }
/** Each asks for base and events, and reports, again and again: this many is all of that more than once. */
const ASKED_MAD = 10

export async function publishBadFiles(plan: BadFilePlan): Promise<BadFileResult> {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-bad-file-'))
  const instances = await startInstances({ instances: plan.cells, service: SERVICE })
  const { sign, trustedKeys } = createSigner()
  const base = compileCells({ service: SERVICE }, instances.ports, 'home-first')
  const good = { base, overlay: unmarkedOverlay(), sign }
  const port = await freePortRange(1)
  const routers: RouterProcess[] = []
  let publisher: Publisher | undefined
  try {
    writeFileSync(join(folder, 'router.token'), 'unused: nobody checks it')
    writeFileSync(join(folder, 'router.key'), 'router-key-of-the-scenario')
    writeFileSync(join(folder, 'topology.jwks.json'), trustedKeys)
    publisher = await startPublisher(port, { base: sign(good.base), overlay: sign(good.overlay) })
    const start = async (name: string) => {
      const controlUrl = `http://127.0.0.1:${port}`
      const router = await startRouterProcess({
        ...{ folder, name, fleet: FLEET, controlUrl, pollSeconds: POLL_SECONDS },
      })
      routers.push(router)
      return router
    }
    const followers = [await start('router-1'), await start('router-2')]
    await whenAll('both documents', followers, ({ base, overlay }) => base !== null && overlay !== null)
    const versionBefore = await versionOf(followers[0]!)
    const load = await startSteadyLoad(
      plan,
      followers.map(({ url }) => url),
    )
    try {
      const refusedBy = await publishEach(publisher, good, followers)
      const marksIgnoredBecause = await markEverything(publisher, good, followers)
      await publisher.stop()
      const askedMad = await goMad(port)
      mkdirSync(join(folder, 'router-3'))
      cpSync(join(folder, 'router-1'), join(folder, 'router-3'), { recursive: true })
      const freshRouter = await load.compare((await start('router-3')).url)
      const versionAfter = await versionOf(followers[0]!)
      const seen = await load.stop()
      return { ...seen, refusedBy, marksIgnoredBecause, askedMad, freshRouter, versionBefore, versionAfter }
    } finally {
      await load.stop()
    }
  } finally {
    await Promise.all(routers.map((router) => router.stop()))
    await publisher?.stop()
    await instances.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One bad document after the other, and the good one between them. */
async function publishEach(
  publisher: Publisher,
  good: Good,
  routers: readonly RouterProcess[],
): Promise<Record<string, number>> {
  const refusedBy: Record<string, number> = {}
  for (const { kind, name, bytes } of badDocuments(good)) {
    const before = await Promise.all(routers.map(statusOf))
    publisher.serve(kind, bytes)
    await waitFor(`routers to refuse the ${kind}: ${name}`, WAIT_MS, async () => {
      const now = await Promise.all(routers.map(statusOf))
      const refused = now.filter(
        ({ refused_documents: counts }, i) => counts[kind] > before[i]!.refused_documents[kind],
      )
      refusedBy[`${kind}: ${name}`] = refused.length
      return refused.length === routers.length
    })
    publisher.serve(kind, good.sign(good[kind]))
  }
  return refusedBy
}

/** A valid overlay that says that every cell is unhealthy: why its marks were ignored. */
async function markEverything(
  publisher: Publisher,
  { base, overlay, sign }: Good,
  routers: readonly RouterProcess[],
): Promise<string> {
  const since = new Date().toISOString()
  const unhealthy = base.cells.map(({ slot }) => ({ slot, since, reason: 'probe' }))
  publisher.serve('overlay', sign({ ...overlay, version: overlay.version + 1, unhealthy }))
  const [first] = await whenAll(
    'routers to ignore the marks',
    routers,
    (status) => status.health_marks_ignored_because !== '',
  )
  return first!.health_marks_ignored_because
}

/** Nothing but noise on the publisher's port, in three kinds; how often routers asked. */
async function goMad(port: number): Promise<number> {
  let asked = 0
  for (const madness of [MADNESS.random, MADNESS.endless, MADNESS.huge]) {
    const mad = await startHostileControlPlane(port, madness)
    try {
      await waitFor('routers to ask it', WAIT_MS, () => mad.asked >= ASKED_MAD)
      asked += mad.asked
    } finally {
      await mad.stop()
    }
  }
  return asked
}

const whenAll = (
  what: string,
  routers: readonly RouterProcess[],
  isSo: (status: Status) => boolean,
): Promise<Status[]> =>
  waitFor(what, WAIT_MS, async () => {
    const statuses = await Promise.all(routers.map(statusOf))
    return statuses.every(isSo) && statuses
  })

const versionOf = async (router: RouterProcess) => (await statusOf(router)).base!.version

async function statusOf({ adminUrl }: RouterProcess): Promise<Status> {
  return (await (await fetch(`${adminUrl}/status`)).json()) as Status
}
