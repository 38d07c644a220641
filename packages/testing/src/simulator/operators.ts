/**
 * Operators who act at the wrong time: they add, drain, undrain and retire cells, register and pin tenants, roll the
 * topology back, force what the budget holds back and resume, whatever the state of the fleet, at any replica, and do not
 * look at the answer.
 */
import type { Cell } from '@cellplane/contract'
import { HALTS, VERSIONS } from '@cellplane/control/parts'
import type { ControlReplica } from './control-replica.ts'
import type { Ground } from './faults.ts'
import { registeredCells } from './rest.ts'
import { CELLS_AT_START, HOSTS } from './simulated-fleet.ts'

/** A fleet is not grown without end, nor shrunk below what its load needs. */
const CELLS_MAX = CELLS_AT_START + 3
const ACTIVE_MIN = CELLS_AT_START - 4

type Deed = (
  ground: Ground,
  replica: ControlReplica,
  cells: readonly Cell[],
) => { what: string; does: Promise<unknown> } | null

const by = (body: object = {}) => ({ reason: 'an operator of the simulation', ...body })

const DEEDS: readonly Deed[] = [
  function add({ random }, replica, cells) {
    if (cells.filter((cell) => cell.state !== 'retired').length > CELLS_MAX) return null
    return {
      what: 'add a cell',
      does: replica.operate('addCell', { body: by({ host: random.pick(HOSTS) }) }),
    }
  },
  function drain({ random }, replica, cells) {
    const active = servingCells(cells, 'active')
    if (active.length <= ACTIVE_MIN) return null
    const { id } = random.pick(active)
    return { what: `drain ${id}`, does: replica.operate('drainCell', { params: { cell: id }, body: by() }) }
  },
  function undrain({ random }, replica, cells) {
    const leaving = [...servingCells(cells, 'draining'), ...servingCells(cells, 'drained')]
    if (leaving.length === 0) return null
    const { id } = random.pick(leaving)
    return {
      what: `undrain ${id}`,
      does: replica.operate('undrainCell', { params: { cell: id }, body: by() }),
    }
  },
  function retire({ random }, replica, cells) {
    const drained = servingCells(cells, 'drained')
    if (drained.length === 0) return null
    const { id } = random.pick(drained)
    const body = by({ force: random.chance(0.5) })
    return { what: `retire ${id}`, does: replica.operate('retireCell', { params: { cell: id }, body }) }
  },
  function register(ground, replica) {
    const tenant = ground.random.pick(ground.fleet.load.tenants)
    return { what: `register ${tenant}`, does: registerTenant(ground, replica, tenant) }
  },
  function pin({ random, fleet }, replica, cells) {
    const tenant = random.pick(fleet.load.tenants)
    const to = random.sample(servingCells(cells, 'active'), 2).map((cell) => cell.id)
    if (to.length === 0) return null
    const given = { params: { tenant }, body: by({ cells: to }) }
    return { what: `pin ${tenant} to ${to.join(', ')}`, does: replica.operate('pinTenant', given) }
  },
  function unpin({ random, fleet }, replica) {
    const tenant = random.pick(fleet.load.tenants)
    const given = { params: { tenant }, query: by() }
    return { what: `unpin ${tenant}`, does: replica.operate('unpinTenant', given) }
  },
  function rollBack({ random, fleet }, replica) {
    const versions = fleet.server.keys(VERSIONS.table)
    if (versions.length < 2) return null
    const { version } = JSON.parse(fleet.server.read(VERSIONS.table, random.pick(versions))!)
    const given = { params: { version }, body: by({ force: random.chance(0.3) }) }
    return { what: `roll back to ${version}`, does: replica.operate('rollbackTopology', given) }
  },
  function force(_ground, replica) {
    return { what: 'force', does: replica.operate('forceTopology', { body: by() }) }
  },
  function resume(_ground, replica) {
    return { what: 'resume', does: replica.operate('resumeTopology', { body: by() }) }
  },
]

/** Does something that the moment allows to be tried, as a request to a replica. */
export function operate(ground: Ground): void {
  const { random, fleet, world, trace } = ground
  const alive = [...fleet.controls.values()].filter((one) => one.owner.isAlive)
  if (alive.length === 0) return
  // Mostly at the one that can, as the load balancer sends it; now and then past it.
  const replica = random.chance(0.8) ? (fleet.leader() ?? random.pick(alive)) : random.pick(alive)
  const order = random.sample(DEEDS, DEEDS.length)
  world.schedule(replica.owner, 0, () => {
    const cells = registeredCells(fleet)
    for (const deed of order) {
      const done = deed(ground, replica, cells)
      if (!done) continue
      trace.note('operator', done.what)
      done.does.then(
        (reply) => trace.note('operator', `${done.what}: ${outcomeOf(reply)}`),
        (error: Error) => trace.note('operator', `${done.what}: failed, ${error.message}`),
      )
      return
    }
  })
}

/**
 * The operator on duty, who looks after the fleet when the worst is over: lets bases be published again after one was
 * taken back, and tenants out of quarantine. Both wait for a person on purpose.
 */
export function lookAfter(ground: Ground): void {
  const { fleet, world, trace } = ground
  const leader = fleet.leader()
  if (!leader) return
  const isHalted = fleet.server.keys(HALTS.table).length > 0
  const quarantined = leader.published.overlay()?.overlay.quarantined ?? []
  if (!isHalted && quarantined.length === 0) return
  world.schedule(leader.owner, 0, () => {
    const say = (what: string) => (reply: unknown) => trace.note('on duty', `${what}: ${outcomeOf(reply)}`)
    const fail = (error: Error) => trace.note('on duty', error.message)
    if (isHalted) leader.operate('resumeTopology', { body: by() }).then(say('resume'), fail)
    for (const { tenant } of quarantined) {
      const given = { params: { tenant }, query: by() }
      leader.operate('releaseTenant', given).then(say(`release ${tenant}`), fail)
    }
  })
}

/**
 * Registers a tenant and, in a stateful fleet, has its home cell write that down, as the driver of the home's kit does:
 * (tenant, generation, active).
 */
export async function registerTenant(
  { fleet, trace }: Ground,
  replica: ControlReplica,
  tenant: string,
): Promise<unknown> {
  const reply = await replica.operate('registerTenant', { body: by({ tenant }) })
  if (fleet.fleet.kind !== 'stateful' || !reply?.ok || !('value' in reply)) return reply
  const route = reply.value as { generation: number; cells: { id: string }[] }
  const home = fleet.cells.get(route.cells[0]!.id)
  if (route.generation > 0) {
    await home?.homes.register({ tenant, generation: route.generation, isActive: true })
    trace.note('operator', `${home?.id} is told that it is the home of ${tenant}`)
  }
  return reply
}

function servingCells(cells: readonly Cell[], state: Cell['state']): Cell[] {
  return cells.filter((cell) => cell.state === state && cell.role === 'serving')
}

function outcomeOf(reply: unknown): string {
  if (reply === null) return 'refused, the replica has no lease'
  const { ok, problems } = reply as { ok: boolean; problems?: { message: string }[] }
  return ok ? 'done' : `refused, ${problems?.[0]?.message}`
}
