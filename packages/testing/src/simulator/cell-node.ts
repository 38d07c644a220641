/**
 * A cell in the simulation: a process that serves and answers probes, each well or badly on its own account, and a
 * database that outlives it.
 *
 * What it does with requests is the truth that everybody else can only guess at. Probes may lie about it in both
 * directions, and its links may be such that one router sees another cell than the next.
 */

import { createMemoryHomeRegister, type HomeRegister } from '@cellplane/cell'
import type { FailoverPolicy } from '@cellplane/contract'
import type { Answer, Network } from './network.ts'
import type { Place, Process, World } from './world.ts'

/** What a router sends. */
export type CellRequest = {
  from: Place
  tenant: string
  role: 'home' | 'alternate'
  generation: number
  failover: FailoverPolicy
}

export type CellOutcome =
  | { kind: 'answer'; status: number }
  | { kind: 'failure'; why: 'connect' | 'broken' | 'timeout' }

/** What is wrong with it; each heals by itself. */
export type CellTrouble = {
  /** Share of requests that fail with 500 while the health path says 200. */
  failShare: number
  slowMs: number
  /** It accepts connections and answers nothing. */
  hangs: boolean
  /** The health path says 503 though requests are served. */
  probesLie: boolean
  /** The synthetic tenant's write is answered with 503 though those of others are not, */
  writesLie: boolean
  /** or late. */
  writesLateMs: number
  /** It does not come up again when it is started. */
  staysDown: boolean
}

export const NO_TROUBLE: CellTrouble = {
  failShare: 0,
  slowMs: 0,
  hangs: false,
  probesLie: false,
  writesLie: false,
  writesLateMs: 0,
  staysDown: false,
}

export type CellNode = ReturnType<typeof createCellNode>

/** As long as the router's own: connecting, and waiting for a head. */
const CONNECT_TIMEOUT_MS = 1_000
const ANSWER_TIMEOUT_MS = 5_000
const WORK_MS = { least: 2, most: 20 }

/** What a write that is taken is answered with. */
export const WRITE_STATUS = 202

export type CellNodeParts = {
  world: World
  network: Network
  id: string
  slot: number
  host: Place
  /** A poison tenant's request ends the process that works on it. */
  isPoison: (tenant: string) => boolean
  /** Home-only work was accepted: told at the moment of the decision. */
  onHomeOnly(cell: string, tenant: string, generation: number): void
  onCrash(cell: string): void
}

export function createCellNode(parts: CellNodeParts) {
  const { world, network, id, slot, host } = parts
  const homes: HomeRegister = createMemoryHomeRegister()
  const trouble: CellTrouble = { ...NO_TROUBLE }
  let owner: Process | undefined
  let downSince = 0
  let upSince = 0
  /** Ends of the attempts that are under way, for when it dies under them. */
  const underWay = new Set<(outcome: CellOutcome) => void>()

  const isUp = () => owner?.isAlive === true

  function crash(): void {
    if (!owner?.isAlive) return
    network.kill(owner)
    downSince = world.now()
    const broken = [...underWay]
    underWay.clear()
    for (const end of broken) end({ kind: 'failure', why: 'broken' })
    parts.onCrash(id)
  }

  /** `done` is called once, as an event of the router that asked. */
  function serve(router: Process, request: CellRequest, done: (outcome: CellOutcome) => void): void {
    let isDone = false
    const end = (outcome: CellOutcome) => {
      if (isDone) return
      isDone = true
      underWay.delete(end)
      world.schedule(router, 0.3, () => done(outcome))
    }
    const endIn = (ms: number, outcome: CellOutcome) => world.schedule(router, ms, () => end(outcome))
    if (!network.isWhole(request.from, id))
      return void endIn(CONNECT_TIMEOUT_MS, { kind: 'failure', why: 'connect' })
    if (!isUp()) return void endIn(0.5, { kind: 'failure', why: 'connect' })
    underWay.add(end)
    endIn(ANSWER_TIMEOUT_MS, { kind: 'failure', why: 'timeout' })
    if (trouble.hangs) return
    const workMs = world.random.between(WORK_MS.least, WORK_MS.most) + trouble.slowMs
    world.schedule(owner!, workMs, () => {
      if (isDone) return
      if (parts.isPoison(request.tenant)) return crash()
      if (trouble.failShare > 0 && world.random.chance(trouble.failShare))
        return end({ kind: 'answer', status: 500 })
      void admit(request).then((status) => end({ kind: 'answer', status }))
    })
  }

  /** The cell kit's rules 5 and 6: what an alternate may do, and whose home this is. */
  async function admit({ tenant, role, generation, failover }: CellRequest): Promise<number> {
    if (failover !== 'home-only') return 200
    if (role === 'alternate') return 421
    const home = await homes.current(tenant)
    if (!home?.isActive || home.generation !== generation) return 421
    parts.onHomeOnly(id, tenant, generation)
    return 200
  }

  /** What the synthetic tenant gets is what others get, but where something is wrong with its own writes. */
  function syntheticWrite(): Answer | Promise<Answer> {
    const isFailing = trouble.failShare > 0 && world.random.chance(trouble.failShare)
    const answer = { status: isFailing ? 500 : trouble.writesLie ? 503 : WRITE_STATUS }
    const lateMs = trouble.slowMs + trouble.writesLateMs
    if (lateMs === 0) return answer
    return new Promise((resolve) => world.later(lateMs, () => resolve(answer)))
  }

  return {
    id,
    slot,
    host,
    homes,
    trouble,
    isUp,
    /** Serves what is sent to it, as far as it is concerned. */
    isWell: () => isUp() && !trouble.hangs && trouble.failShare === 0 && trouble.slowMs < ANSWER_TIMEOUT_MS,
    upSince: () => upSince,
    downSince: () => downSince,
    crash,
    serve,
    start(): void {
      if (isUp()) return
      owner = world.spawn(id, 0)
      upSince = world.now()
      network.listen(owner, ({ method }) => {
        if (trouble.hangs) return new Promise(() => {})
        return method === 'POST' ? syntheticWrite() : { status: trouble.probesLie ? 503 : 200 }
      })
    },
  }
}
