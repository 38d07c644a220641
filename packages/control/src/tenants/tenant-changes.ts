/**
 * What operators do to tenants: register, pin, unpin. Each runs inside one transaction of the store.
 *
 * In a stateless fleet registering is a name on a list, and a pin is an override over the table. In a stateful fleet
 * a registered tenant's home is an assignment from then on (`assign-home.ts`), generation 1: the table may change around it, and only
 * a migration moves it. So a pin of such a tenant may choose alternates and not another home, and taking the pin off
 * leaves the assignment.
 */
import { type Cell, type Override, type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { namedKey, shardOf, shardRow } from '@cellplane/core'
import { recordChange } from '../audit/audit.ts'
import type { Cause } from '../registry/cell-changes.ts'
import { CELLS, OVERRIDES, TENANTS } from '../store/collections.ts'
import { intact, type StoreWriter } from '../store/store.ts'
import type { BasePlanner, BasePlanning } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import type { BasePlan } from '../topology/plan-base.ts'
import type { Published } from '../topology/published.ts'
import { assignHome } from './assign-home.ts'

/** Overrides of a fleet: what a base of 32 MB holds beside its tables. */
export const OVERRIDES_MAX = 100_000

const FIRST_GENERATION = 1

export type TenantChanges = ReturnType<typeof createTenantChanges>

export type TenantChangesOptions = {
  fleet: Pick<FleetFile, 'kind' | 'partition_key'>
  planner: BasePlanner
  published: Pick<Published, 'base'>
  /** Ms since the epoch. */
  now: () => number
}

export function createTenantChanges({ fleet, planner, published, now }: TenantChangesOptions) {
  const isStateful = fleet.kind === 'stateful'
  /** As requests have it: what is written for another spelling would never be found by one. */
  const keyOf = (tenant: string) => namedKey(fleet.partition_key.rules, tenant)

  /** Safe to repeat. */
  async function register(writer: StoreWriter, tenant: string, cause: Cause): Promise<Parsed<void>> {
    const known = await writer.get(TENANTS, tenant)
    if (known?.is_registered) return parsed(undefined)
    if (isStateful) {
      const assigned = await assign(writer, tenant)
      if (!assigned.ok) return assigned
    }
    await writer.put(TENANTS, tenant, { requests: 0, ...known, is_registered: true })
    await recordChange(writer, { ...cause, action: 'tenant.register', subject: tenant }, now())
    return parsed(undefined)
  }

  async function assign(writer: StoreWriter, tenant: string): Promise<Parsed<void>> {
    const snapshot = published.base()?.snapshot
    if (!snapshot) {
      const why =
        'no topology has been published yet, so a home cannot be assigned; wait until cells are active'
      return refused(problem('NO_TOPOLOGY', '', why))
    }
    const shard = shardOf(snapshot, shardRow(snapshot, tenant)).map((index) => snapshot.cells[index]!.slot)
    const reason = (await writer.get(OVERRIDES, tenant))?.reason ?? 'assignment'
    const assigned = await assignHome(
      tenant,
      shard,
      reason === 'pin',
      intact(await writer.list(CELLS)).map((stored) => stored.cell),
      async () => intact(await writer.list(OVERRIDES)),
    )
    if (!assigned.ok) return assigned
    return putOverride(writer, { tenant, cells: assigned.value, reason, generation: FIRST_GENERATION })
  }

  async function pin(
    writer: StoreWriter,
    tenant: string,
    cellIds: readonly string[],
    cause: ForcibleCause,
  ): Promise<Parsed<void>> {
    const cells = intact(await writer.list(CELLS)).map((stored) => stored.cell)
    const slots = pinnedSlots(cells, cellIds)
    if (!slots.ok) return slots
    const before = await writer.get(OVERRIDES, tenant)
    if (isStateful && before && before.generation > 0 && before.cells[0] !== slots.value[0]) {
      const home = cells.find((cell) => cell.slot === before.cells[0])?.id
      const why = `tenant "${tenant}" has its data in cell "${home}"; a pin may choose other alternates, but a stateful tenant leaves its home only by a migration; name "${home}" first`
      return refused(problem('CONFLICT', 'cells', why))
    }
    const override: Override = {
      tenant,
      cells: slots.value,
      reason: 'pin',
      generation: before?.generation ?? 0,
    }
    const subject = `${tenant} to ${cellIds.join(', ')}`
    const leave = await checkPin(writer, cells, tenant, override, cause, `pin ${subject}`)
    if (!leave.ok) return leave
    const put = await putOverride(writer, override)
    if (!put.ok) return put
    const { actor, reason } = cause
    await recordChange(writer, { actor, reason, action: 'tenant.pin', subject }, now())
    return parsed(undefined)
  }

  /** A pin too many on one cell is told to who makes it, and not by a base that cannot be published. */
  async function checkPin(
    writer: StoreWriter,
    cells: readonly Cell[],
    tenant: string,
    override: Override,
    cause: ForcibleCause,
    subject: string,
  ): Promise<Parsed<void>> {
    const planning = await planner.read(writer, cells)
    if (!planning.held) return parsed(undefined)
    const plan = planWith(planning, cells, tenant, override)
    return plan.ok ? planning.allow(plan.value.base, cause, subject) : plan
  }

  async function unpin(writer: StoreWriter, tenant: string, cause: Cause): Promise<Parsed<void>> {
    const before = await writer.get(OVERRIDES, tenant)
    if (before?.reason !== 'pin') return refused(problem('CONFLICT', '', `tenant "${tenant}" is not pinned`))
    const left: Override | undefined = before.generation > 0 ? { ...before, reason: 'assignment' } : undefined
    const cells = intact(await writer.list(CELLS)).map((stored) => stored.cell)
    // Whether the budget allows it is for the base to say: a pin that had to be forced must not be for ever.
    const planning = await planner.read(writer, cells)
    const plan = planning.held ? planWith(planning, cells, tenant, left) : parsed(undefined)
    if (!plan.ok) return plan
    if (left) await writer.put(OVERRIDES, tenant, left)
    else await writer.remove(OVERRIDES, tenant)
    await recordChange(writer, { ...cause, action: 'tenant.unpin', subject: tenant }, now())
    return parsed(undefined)
  }

  return {
    register: (writer: StoreWriter, tenant: string, cause: Cause) => register(writer, keyOf(tenant), cause),
    pin: (writer: StoreWriter, tenant: string, cellIds: readonly string[], cause: ForcibleCause) =>
      pin(writer, keyOf(tenant), cellIds, cause),
    unpin: (writer: StoreWriter, tenant: string, cause: Cause) => unpin(writer, keyOf(tenant), cause),
  }
}

/** The base with this override, or with none, for the tenant. */
function planWith(
  { ground, plan }: BasePlanning,
  cells: readonly Cell[],
  tenant: string,
  override: Override | undefined,
): Parsed<BasePlan> {
  const others = ground.overrides.filter((one) => one.tenant !== tenant)
  return plan({ cells, overrides: override ? [...others, override] : others, bounds: 'best-effort' })
}

async function putOverride(writer: StoreWriter, override: Override): Promise<Parsed<void>> {
  const isNew = (await writer.get(OVERRIDES, override.tenant)) === undefined
  if (isNew && (await writer.count(OVERRIDES)) >= OVERRIDES_MAX) {
    const why = `the fleet has ${OVERRIDES_MAX} overrides, the most that a base holds; unpin tenants that need no pin`
    return refused(problem('CONFLICT', '', why))
  }
  await writer.put(OVERRIDES, override.tenant, override)
  return parsed(undefined)
}

/** Only active cells: a pin to a cell that is leaving would hold it back. */
function pinnedSlots(cells: readonly Cell[], ids: readonly string[]): Parsed<number[]> {
  const problems = ids.flatMap((id, i) => {
    const cell = cells.find((one) => one.id === id)
    const path = `cells[${i}]`
    if (!cell) return [problem('NOT_FOUND', path, `no cell is called "${id}"`)]
    if (cell.state !== 'active') {
      return [
        problem(
          'CONFLICT',
          path,
          `cell "${id}" is ${cell.state}; a tenant can be pinned to active cells only`,
        ),
      ]
    }
    return ids.indexOf(id) === i ? [] : [problem('CONFLICT', path, `cell "${id}" is named twice`)]
  })
  if (problems.length > 0) return { ok: false, problems }
  return parsed(ids.map((id) => cells.find((cell) => cell.id === id)!.slot))
}
