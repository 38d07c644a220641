/**
 * The process that is the clients and the upstreams, on a core of its own: it does what the bench asks of it over its
 * IPC channel, one thing at a time. Any mismatch is thrown where it is found, told to the bench, and ends the process.
 */
import { type Bodies, runBodies } from './bodies.ts'
import { type ClosedLoop, runClosedLoop } from './closed-loop.ts'
import { type HeldClients, type IdleClients, openIdleClients } from './idle-clients.ts'
import type { Measured } from './measurement.ts'
import { type Latencies, type OpenLoop, runOpenLoop } from './open-loop.ts'
import { createRequestSource, type RequestSource, type RoutingFacts } from './requests.ts'
import type { Target } from './target.ts'
import { startUpstreams, type Upstreams } from './upstreams.ts'

export type GeneratorApi = {
  start(cellCount: number): Promise<{ ports: readonly number[] }>
  learn(facts: RoutingFacts): Promise<void>
  closedLoop(loop: ClosedLoop): Promise<Measured>
  openLoop(loop: OpenLoop): Promise<Latencies>
  bodies(load: Bodies): Promise<Measured>
  /** Adds to those that are held. */
  openIdle(clients: IdleClients): Promise<void>
  closeIdle(): Promise<void>
}

export type Call = { id: number; method: keyof GeneratorApi; argument: unknown }
export type Reply = { id: number; value?: unknown } | { failure: string }

let upstreams: Upstreams
let facts: RoutingFacts
let held: HeldClients[] = []
const sources = new Map<string, RequestSource>()

const api: GeneratorApi = {
  async start(cellCount) {
    upstreams = await startUpstreams(cellCount)
    return { ports: upstreams.ports }
  },
  async learn(given) {
    facts = given
    sources.clear()
  },
  closedLoop: (loop) => counted(() => runClosedLoop(loop, sourceOf(loop.target))),
  openLoop: (loop) => counted(() => runOpenLoop(loop, sourceOf(loop.target))),
  bodies: (load) => counted(() => runBodies(load, sourceOf(load.target))),
  async openIdle(clients) {
    held.push(await counted(() => openIdleClients(clients, sourceOf(clients.target))))
  },
  async closeIdle() {
    await Promise.all(held.map((clients) => clients.close()))
    held = []
  },
}

process.on('message', async (call: Call) => {
  const method = api[call.method] as (argument: unknown) => Promise<unknown>
  reply({ id: call.id, value: await method(call.argument) })
})
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
process.on('disconnect', () => process.exit(0))

/** The strings of 8,192 requests are made once. */
function sourceOf({ requests, isRouting }: Target): RequestSource {
  const key = `${requests} ${isRouting}`
  const source = sources.get(key) ?? createRequestSource(requests, facts, isRouting)
  sources.set(key, source)
  return source
}

/** No answer may come from anywhere but an upstream: what clients and upstreams counted must agree. */
async function counted<T extends { answered: number }>(run: () => Promise<T>): Promise<T> {
  const before = upstreams.answered
  const result = await run()
  const seen = upstreams.answered - before
  if (seen !== result.answered) {
    throw new Error(`clients had ${result.answered} answers, and upstreams gave ${seen}`)
  }
  return result
}

function reply(message: Reply): void {
  process.send!(message)
}

function fail(error: unknown): void {
  process.send!({ failure: (error as Error).stack ?? String(error) } satisfies Reply, () => process.exit(1))
}
