/** `cellplane cell merge`. */
import type { Command } from 'commander'
import { createPlanCommand, type PlanFlags, planOrApply } from './placement-plans.ts'

export function cellMergeCommand(): Command {
  return createPlanCommand({
    usage: 'merge <cell>',
    summary: 'Plan to give all of a cell’s tenants to another one and drain it',
    details:
      'Buckets that cannot go there (it has them already, or another cell of its zone does, or its bound on tenants is reached) go to the cells with most room. The cell drains, and goes on answering for what it holds.',
    examples: [
      ['cellplane cell merge cell-017 --into cell-003', 'what would move'],
      ['cellplane cell merge cell-017 --into cell-003 --apply 3f2a91c07b55 --reason "too small"', 'move it'],
    ],
  })
    .requiredOption('--into <cell>', 'the cell that takes them')
    .action((cell: string, flags: PlanFlags & { into: string }, command: Command) =>
      planOrApply(
        { kind: 'merge', cell, into: flags.into },
        `cellplane cell merge ${cell} --into ${flags.into}`,
        flags,
        command,
      ),
    )
}
