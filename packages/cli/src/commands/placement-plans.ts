/** What `rebalance`, `cell split` and `cell merge` have in common: a plan is printed, and `--apply` runs the one that was read. */
import type { PlacementWish } from '@cellplane/contract/api'
import type { Command } from 'commander'
import {
  aboutAnyFleet,
  type CommandSpec,
  createCommand,
  forceOption,
  type JsonFlag,
  mayForce,
  reasonOption,
} from '../command.ts'
import { usageFailure } from '../failure.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { formatPlacementPlan } from '../output/placement-plan.ts'
import { printResult } from '../output/print.ts'

export type PlanFlags = RemoteFlags & JsonFlag & { apply?: string; reason: string; force?: boolean }

/** A command that plans; its own options are to be added. */
export function createPlanCommand(spec: CommandSpec): Command {
  return aboutAnyFleet(
    createCommand(spec)
      .option('--apply <plan>', 'do what that plan said; refused when the inventory changed since')
      .addOption(reasonOption('applied with the CLI'))
      .addOption(forceOption()),
  )
}

/** `again`: the command line that made the plan, to apply it by. */
export async function planOrApply(
  wish: PlacementWish,
  again: string,
  flags: PlanFlags,
  command: Command,
): Promise<void> {
  const force = mayForce(flags, command)
  if (force && flags.apply === undefined)
    throw usageFailure('--force is for applying a plan; give --apply with the plan that you read')
  const { client } = await connect(flags)
  if (flags.apply === undefined) {
    const plan = await client.planPlacement({ body: wish })
    printResult(flags.json, plan, () => formatPlacementPlan(plan, again))
    return
  }
  const body = { reason: flags.reason, force }
  const done = await client.applyPlacement({ params: { plan: flags.apply }, body })
  printResult(flags.json, done, () => `${done.what} (version ${done.version})`)
}
