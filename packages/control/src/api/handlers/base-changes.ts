/** What operators do to the base itself: place tenants as before, force what the budget holds back, resume after one was taken back. */
import { parsed, problem, refused } from '@cellplane/contract'
import { recordChange } from '../../audit/audit.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { inState } from '../../registry/plan-lifecycle.ts'
import { CELLS, HALT_KEY, HALTS } from '../../store/collections.ts'
import { intact, NotLeader, type Store } from '../../store/store.ts'
import type { BasePlanner } from '../../topology/base-planner.ts'
import type { Handlers } from '../handler.ts'

export type BaseChangeHandlersOptions = {
  store: Store
  planner: BasePlanner
  tenure: () => Tenure | undefined
  /** Ms since the epoch. */
  now: () => number
}

export function baseChangeHandlers(
  options: BaseChangeHandlersOptions,
): Handlers<'rollbackTopology' | 'forceTopology' | 'resumeTopology'> {
  const { store, planner, tenure, now } = options

  return {
    async rollbackTopology({ params, body, actor }) {
      const leader = tenure()
      if (!leader) throw new NotLeader('this replica is not at work yet; ask again')
      return leader.rollBack(params.version, { actor, ...body })
    },

    /** The base that is due, ready cells included: those that wait for the budget are part of what is held back. */
    async forceTopology({ body: { reason }, actor }) {
      const forced = await store.write(async (writer) => {
        const cells = intact(await writer.list(CELLS)).map(({ cell }) =>
          cell.state === 'ready' ? inState(cell, 'active', now()) : cell,
        )
        const planning = await planner.read(writer, cells)
        const { held } = planning
        if (!held)
          return refused(
            problem('NO_TOPOLOGY', '', 'no base has been published yet; a first one exceeds nothing'),
          )
        const plan = planning.plan({ cells, bounds: 'best-effort' })
        if (!plan.ok) return plan
        const { base } = plan.value
        const exceeded = (await planning.excesses(base)).map(({ message }) => message)
        if (exceeded.length === 0) {
          return refused(
            problem('CONFLICT', '', 'the base that is due is within the budget; nothing is held back by it'),
          )
        }
        const subject = `the base after ${held.version}`
        const leave = await planning.allow(base, { actor, reason, force: true }, subject)
        return leave.ok ? parsed({ exceeded }) : leave
      })
      if (forced.ok) await tenure()?.settle()
      return forced
    },

    async resumeTopology({ body: { reason }, actor }) {
      const resumed = await store.write(async (writer) => {
        const halt = await writer.get(HALTS, HALT_KEY)
        if (!halt) return refused(problem('CONFLICT', '', 'publishing is not halted; nothing was taken back'))
        await writer.remove(HALTS, HALT_KEY)
        const change = {
          actor,
          reason,
          action: 'topology.resume',
          subject: `after base ${halt.base.version}`,
        }
        await recordChange(writer, change, now())
        return parsed({ was_halted_because: halt.reason })
      })
      if (resumed.ok) await tenure()?.settle()
      return resumed
    },
  }
}
