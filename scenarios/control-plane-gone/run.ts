/**
 * The control plane is gone, and stays gone: what still works? A cell crashes meanwhile, a router restarts meanwhile, and
 * at last the control plane returns. Nothing of it may cost a request, or change a cell's state.
 *
 * It is killed with SIGKILL; so that its supervisor cannot bring it back, its port is taken over at once.
 */
import { createServer, type Server } from 'node:net'
import {
  createTraffic,
  issueTokens,
  runLoad,
  signalAll,
  TENANTS,
  type TestFleet,
  tally,
  waitFor,
} from '@cellplane/testing'

export type GonePlan = {
  requestsPerSecond: number
  goneMs: number
  seed: number
  crash: { cell: string; component: string }
}

export type GoneResult = {
  requests: number
  failures: Record<string, Record<string, number>>
  /** From the component's SIGKILL until its cell answered again, with no control plane. */
  componentBackMs: number
  /** From the router's SIGKILL until a new process had a topology, from its disk. */
  routerReadyMs: number
  baseBefore: string
  baseAfter: string
  statesBefore: string
  statesAfter: string
}

export async function loseTheControlPlane(fleet: TestFleet, plan: GonePlan): Promise<GoneResult> {
  const traffic = createTraffic(fleet.routerUrl, await issueTokens(fleet))
  const before = await fleet.status()
  const baseBefore = await baseText(fleet)
  const endpoint = before.cells.find((cell) => cell.id === plan.crash.cell)!.endpoint!

  signalAll([await pidOf('the control plane', () => fleet.planePid('control'))], 'SIGKILL')
  const squatter = await takePort(fleet.ports.control)
  const load = runLoad({
    requestsPerSecond: plan.requestsPerSecond,
    durationMs: plan.goneMs,
    tenants: TENANTS,
    seed: plan.seed,
    send: traffic.send,
  })

  const crashed = await pidOf('the component', () =>
    fleet.componentPid(plan.crash.cell, plan.crash.component),
  )
  signalAll([crashed], 'SIGKILL')
  const crashedAt = performance.now()
  await waitFor(
    'the crashed component to answer again',
    30_000,
    async () =>
      fleet.componentPid(plan.crash.cell, plan.crash.component) !== crashed &&
      (await fetch(`${endpoint}/healthz`)).ok,
  )
  const componentBackMs = performance.now() - crashedAt

  const router = await pidOf('the router', () => fleet.planePid('router-2'))
  // As an operator restarts one. A router that is killed with SIGKILL cuts what it has in flight, as any proxy does.
  signalAll([router], 'SIGTERM')
  const routerStoppedAt = performance.now()
  await waitFor(
    'a new router to be ready from its disk',
    30_000,
    async () => fleet.planePid('router-2') !== router && (await fetch(`${fleet.adminUrls[1]}/readyz`)).ok,
  )
  const routerReadyMs = performance.now() - routerStoppedAt

  const attempts = await load
  squatter.close()
  await waitFor(
    'the control plane to return',
    60_000,
    async () => (await fetch(`${fleet.controlUrl}/readyz`)).ok,
  )
  const after = await waitFor('routers and the host to report again', 30_000, async () => {
    const status = await fleet.status()
    return status.routers.every((r) => r.is_reporting) && status.hosts.every((h) => h.is_reporting) && status
  })
  const failed = attempts.filter((attempt) => attempt.outcome !== 'ok')
  return {
    requests: attempts.length,
    failures: tally(failed),
    componentBackMs,
    routerReadyMs,
    baseBefore,
    baseAfter: await baseText(fleet),
    statesBefore: statesOf(before),
    statesAfter: statesOf(after),
  }
}

/** A process that is just being restarted has no pid for a moment. */
const pidOf = (what: string, look: () => number | undefined) => waitFor(`the pid of ${what}`, 10_000, look)

function statesOf(status: Awaited<ReturnType<TestFleet['status']>>): string {
  return status.cells.map((cell) => `${cell.id} ${cell.state}`).join(', ')
}

async function baseText(fleet: TestFleet): Promise<string> {
  return JSON.stringify(await fleet.client().getBase())
}

/** Listens on the port as soon as it is free, and answers nobody. */
function takePort(port: number): Promise<Server> {
  return waitFor(
    `port ${port} to be free`,
    10_000,
    () =>
      new Promise<Server | undefined>((resolve) => {
        const server = createServer((socket) => socket.destroy())
        server.once('error', () => resolve(undefined))
        server.unref().listen({ port, host: '127.0.0.1' }, () => resolve(server))
      }),
  )
}
