/** `cellplane rebalance`. */
import type { Command } from 'commander'
import { createPlanCommand, type PlanFlags, planOrApply } from './placement-plans.ts'

export function rebalanceCommand(): Command {
  return createPlanCommand({
    usage: 'rebalance',
    summary: 'Plan moves that even out the traffic that was observed',
    details:
      'Prints which buckets would move, whose, how much of the traffic they are, and the blast radius before and after. Nothing moves until the plan is applied. In a stateful fleet it says which tenants would have to migrate, and moves none.',
    examples: [
      ['cellplane rebalance', 'what would move'],
      ['cellplane rebalance --apply 3f2a91c07b55 --reason "cell-003 is hot"', 'move what that plan said'],
    ],
  }).action((flags: PlanFlags, command: Command) =>
    planOrApply({ kind: 'rebalance' }, 'cellplane rebalance', flags, command),
  )
}
