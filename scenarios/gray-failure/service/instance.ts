/**
 * One instance of the service: a node:http server whose work is a sleep, with as many places as it has, a bounded queue
 * before them, and 503 beyond. It finishes what it took on, whether or not the caller is still there, as services do.
 *
 * Its code can be broken. Then each request holds its place for longer and is answered 500, and the health check, which
 * knows nothing of that code, goes on answering 200. Or its health check can be: then that answers 503, and requests are served.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServicePlan } from '../plan.ts'

export const HEALTH_PATH = '/healthz'

/** Requests of one second, by when they came in. */
export type SecondCount = { arrived: number; ok: number; broken: number; refused: number }

export type Instance = {
  readonly port: number
  /** By second since `countFrom` was called. */
  readonly counts: readonly SecondCount[]
  countFrom(startedAtMs: number): void
  setBroken(isBroken: boolean): void
  setHealthBroken(isBroken: boolean): void
}

export async function startInstance(plan: ServicePlan): Promise<Instance> {
  const waiting: (() => void)[] = []
  const counts: SecondCount[] = []
  let countedFromMs = Number.POSITIVE_INFINITY
  let busy = 0
  let isBroken = false
  let isHealthBroken = false

  function countOfNow(): SecondCount {
    const second = Math.floor((Date.now() - countedFromMs) / 1000)
    // What comes before the counting is asked for is counted nowhere.
    if (!(second >= 0)) return newCount()
    while (counts.length <= second) counts.push(newCount())
    return counts[second]!
  }

  function work(response: ServerResponse, count: SecondCount): void {
    const wasBroken = isBroken
    busy++
    setTimeout(
      () => {
        count[wasBroken ? 'broken' : 'ok']++
        answer(response, wasBroken ? 500 : 200)
        busy--
        waiting.shift()?.()
      },
      wasBroken ? plan.brokenWorkMs : plan.workMs,
    )
  }

  const server = createServer((request, response) => {
    if (request.url === HEALTH_PATH) return answer(response, isHealthBroken ? 503 : 200)
    const count = countOfNow()
    count.arrived++
    if (busy < plan.concurrency) return work(response, count)
    if (waiting.length < plan.waitingMax) {
      waiting.push(() => work(response, count))
      return
    }
    count.refused++
    answer(response, 503)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    port: (server.address() as AddressInfo).port,
    counts,
    countFrom(startedAtMs) {
      countedFromMs = startedAtMs
    },
    setBroken(next) {
      isBroken = next
    },
    setHealthBroken(next) {
      isHealthBroken = next
    },
  }
}

const newCount = (): SecondCount => ({ arrived: 0, ok: 0, broken: 0, refused: 0 })

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': 2 }).end('.\n')
}
