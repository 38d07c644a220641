/**
 * One way to plan a change of the base, whoever wants it: a command, a cell that became ready, the reconciler, a rollback, a
 * rebalancing.
 *
 *     read ──▶ plan ──▶ check ──▶ leave
 *      │        │         │         └─ who answers for what exceeds the budget
 *      │        │         └─ by the blast-radius budget
 *      │        └─ pure: cells and overrides as they would be → the base that comes of them
 *      └─ what else bases are made of: once, in the transaction that stores the change
 *
 * Beyond the budget there are three cases, and who plans names its own:
 *
 *     allow       somebody asks, and the reconciler publishes a moment later: with force, the leave for that base is stored
 *     answerFor   somebody asks, and the base is published at once: with force, it says that it is forced
 *     checkLeave  nobody asks: only what a stored leave covers. `useLeave` uses it up, for the base that is published now
 */
import { type Cell, type Override, type Parsed, parsed, type UnsignedTopologyBase } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { Excess } from '@cellplane/core'
import type { StoreWriter } from '../store/store.ts'
import { readBaseInputs } from './base-inputs.ts'
import { createBudgetCheck } from './budget-check.ts'
import { allowExcess, answerForExcess, checkGrant, type ForcibleCause, useGrant } from './force-grant.ts'
import { type BasePlan, type BaseWish, planBase } from './plan-base.ts'
import type { HeldBase, Published } from './published.ts'

/** Of a fleet that never published anything. */
const FIRST_EPOCH = 1

export type BasePlannerOptions = {
  fleet: FleetFile
  published: Pick<Published, 'base'>
  /** Ms since the epoch. */
  now: () => number
}

/** What is to be different. `overrides`: all of them as they would be; left out, as they are. */
export type BaseChange = Pick<BaseWish, 'cells' | 'bounds'> & { overrides?: readonly Override[] }

/** What bases are made of but for cells, as of one transaction. */
export type BaseGround = Omit<BaseWish, 'cells' | 'bounds'>

export type BasePlanner = ReturnType<typeof createBasePlanner>
export type BasePlanning = Awaited<ReturnType<BasePlanner['read']>>

export function createBasePlanner({ fleet, published, now }: BasePlannerOptions) {
  const checkBudget = createBudgetCheck(fleet, now)

  return {
    /**
     * To be called inside the transaction that stores the change. `cells`: by their bounds it is decided whether tenants
     * are counted. `epoch`: of the base that is to be published; left out where it is only checked.
     */
    async read(writer: StoreWriter, cells: readonly Cell[], epoch?: number) {
      const held: HeldBase | null = published.base()
      const at = now()
      const ground: BaseGround = {
        fleet,
        ...(await readBaseInputs(writer, fleet, cells)),
        current: held?.document ?? null,
        epoch: epoch ?? held?.epoch ?? FIRST_EPOCH,
        now: at,
      }
      const excesses = (base: UnsignedTopologyBase): Promise<Excess[]> => checkBudget(writer, held, base)

      return {
        held,
        ground,
        /** Problems: those of `planBase`. */
        plan: (change: BaseChange): Parsed<BasePlan> => planBase({ ...ground, ...change }),
        /** What the base exceeds of the budget. */
        excesses,
        async allow(
          base: UnsignedTopologyBase,
          cause: ForcibleCause,
          subject: string,
        ): Promise<Parsed<void>> {
          return allowExcess(writer, await excesses(base), cause, subject, at)
        },
        async answerFor(
          base: UnsignedTopologyBase,
          cause: ForcibleCause,
          subject: string,
        ): Promise<Parsed<UnsignedTopologyBase>> {
          const found = await excesses(base)
          const answered = await answerForExcess(writer, found, cause, subject, at)
          return answered.ok ? parsed(forcedIf(found, base)) : answered
        },
        async checkLeave(base: UnsignedTopologyBase): Promise<Parsed<void>> {
          return checkGrant(writer, await excesses(base), at)
        },
        async useLeave(base: UnsignedTopologyBase): Promise<Parsed<UnsignedTopologyBase>> {
          const found = await excesses(base)
          const leave = await useGrant(writer, found, at)
          return leave.ok ? parsed(forcedIf(found, base)) : leave
        },
      }
    },
  }
}

/** Routers take a base beyond the budget only if it says that somebody answers for it. */
function forcedIf(excesses: readonly Excess[], base: UnsignedTopologyBase): UnsignedTopologyBase {
  return excesses.length > 0 ? { ...base, forced: true } : base
}
