/** An operator's word on automation: freeze it as it is, or thaw it. */
import { type Parsed, parsed } from '@cellplane/contract'
import { recordChange } from '../../audit/audit.ts'
import type { Automation } from '../../leader/automation.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { AUTOMATION_ORDER, AUTOMATION_ORDER_KEY, type AutomationOrder } from '../../store/collections.ts'
import type { Store } from '../../store/store.ts'
import type { Handlers } from '../handler.ts'

export type AutomationHandlersOptions = {
  store: Store
  automation: Automation
  tenure: () => Tenure | undefined
  /** Ms since the epoch. */
  now: () => number
}

export function automationHandlers({
  store,
  automation,
  tenure,
  now,
}: AutomationHandlersOptions): Handlers<'freezeAutomation' | 'thawAutomation'> {
  /** Answers once it is in force. */
  async function order(
    mode: AutomationOrder['mode'],
    actor: string,
    reason: string,
  ): Promise<Parsed<ReturnType<Automation['view']>>> {
    const at = now()
    await store.write(async (writer) => {
      const given = { mode, actor, reason, at: new Date(at).toISOString() }
      await writer.put(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY, given)
      const action = mode === 'frozen' ? 'automation.freeze' : 'automation.thaw'
      await recordChange(writer, { actor, action, subject: 'automation', reason }, at)
    })
    await tenure()?.settle()
    return parsed(automation.view())
  }

  return {
    freezeAutomation: ({ body, actor }) => order('frozen', actor, body.reason),
    thawAutomation: ({ body, actor }) => order('thawed', actor, body.reason),
  }
}
