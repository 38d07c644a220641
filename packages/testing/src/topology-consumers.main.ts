/**
 * Consumers of a topology, as a process: back ends that route by themselves (the client's direct routers), and routers
 * that are asked on their admin port. It tells when each of them began to treat one tenant another way.
 *
 * It is told over IPC whom to follow, then for each change what to look for; it answers with a moment for each consumer
 * on the clock that all processes of a machine share. It looks only while a change is awaited, so that looking costs the
 * consumers nothing otherwise, and what it tells is late by one look at most.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createDirectRouter, type DirectRouter } from '@cellplane/client/node'

export type ConsumersStart = {
  kind: 'start'
  url: string
  token: string
  fleet: string
  trustedKeys: unknown
  pollMs: number
  /** How many direct routers. */
  subscribers: number
  /** Admin ports of routers to ask. */
  adminPorts: number[]
  /** Whose quarantine is looked for; partition keys are in the header `x-tenant`. */
  tenant: string
  quarantineCell: string
}
export type ConsumersLook = { kind: 'look'; isQuarantined: boolean; timeoutMs: number }
export type ConsumersSaid =
  | { kind: 'ready' }
  /** By the machine's monotonic clock, ms; null for one that did not apply it in time. */
  | { kind: 'seen'; subscribers: (number | null)[]; routers: (number | null)[] }
  | { kind: 'failed'; why: string }

/** Between two looks at one consumer. */
const LOOK_MS = 5

const agent = new Agent({ keepAlive: true })
let following: ConsumersStart | undefined
const routers: DirectRouter[] = []

process.on('message', (said: ConsumersStart | ConsumersLook) => {
  const work = said.kind === 'start' ? start(said) : look(said)
  work.then(tell, (error: Error) => tell({ kind: 'failed', why: error.message }))
})
process.on('disconnect', () => process.exit(0))

function tell(said: ConsumersSaid): void {
  process.send?.(said)
}

async function start(asked: ConsumersStart): Promise<ConsumersSaid> {
  following = asked
  for (let i = 0; i < asked.subscribers; i++) routers.push(await createDirectRouter(asked))
  await Promise.all(routers.map((router) => router.ready()))
  return { kind: 'ready' }
}

async function look({ isQuarantined, timeoutMs }: ConsumersLook): Promise<ConsumersSaid> {
  const { tenant, quarantineCell, adminPorts } = following!
  const request = { method: 'GET', path: '/', headers: { 'x-tenant': tenant }, source: '127.0.0.1' }
  const isSeenBy = (router: DirectRouter) => {
    const decision = router.decide(request)
    return (decision.ok && decision.cell === quarantineCell) === isQuarantined
  }
  const isSeenAt = async (port: number) =>
    ((await explain(port, tenant)).source === 'quarantine') === isQuarantined
  const [subscribers, asked] = await Promise.all([
    Promise.all(routers.map((router) => firstSeen(() => isSeenBy(router), timeoutMs))),
    Promise.all(adminPorts.map((port) => firstSeen(() => isSeenAt(port), timeoutMs))),
  ])
  return { kind: 'seen', subscribers, routers: asked }
}

async function firstSeen(isSeen: () => boolean | Promise<boolean>, timeoutMs: number) {
  const deadline = monotonicMs() + timeoutMs
  while (monotonicMs() < deadline) {
    if (await isSeen()) return monotonicMs()
    await delay(LOOK_MS)
  }
  return null
}

function explain(port: number, tenant: string): Promise<{ source: string }> {
  return new Promise((resolve, reject) => {
    const url = `http://127.0.0.1:${port}/explain?key=${encodeURIComponent(tenant)}`
    get(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(JSON.parse(text)))
    }).on('error', reject)
  })
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
