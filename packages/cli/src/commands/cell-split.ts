/** `cellplane cell split`. */
import type { Command } from 'commander'
import { createPlanCommand, type PlanFlags, planOrApply } from './placement-plans.ts'

export function cellSplitCommand(): Command {
  return createPlanCommand({
    usage: 'split <cell>',
    summary: 'Plan to share a hot cell’s tenants with a cell that has none',
    details:
      'Half of the cell’s observed traffic goes to the other one, and nobody else’s tenants move. That one is a cell without places: `cellplane cell add --weight 0 --zone <the hot cell’s zone> --wait`.',
    examples: [
      ['cellplane cell split cell-003 --into cell-017', 'what would move'],
      ['cellplane cell split cell-003 --into cell-017 --apply 3f2a91c07b55 --reason "too large"', 'move it'],
    ],
  })
    .requiredOption('--into <cell>', 'the cell that takes half')
    .action((cell: string, flags: PlanFlags & { into: string }, command: Command) =>
      planOrApply(
        { kind: 'split', cell, into: flags.into },
        `cellplane cell split ${cell} --into ${flags.into}`,
        flags,
        command,
      ),
    )
}
