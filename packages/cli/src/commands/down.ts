/** `cellplane down`. */
import type { Command } from 'commander'
import { aboutLocalFleet, createCommand, type JsonFlag } from '../command.ts'
import { type FleetFlags, locateState } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

export function downCommand(): Command {
  return aboutLocalFleet(
    createCommand({
      usage: 'down',
      summary: 'Stop the fleet that runs on this machine; its data stays',
      details: 'Also ends what is left of a fleet whose `cellplane up` was killed.',
      examples: [
        ['cellplane down', 'stop the fleet of this folder, or the one that you run'],
        ['cellplane down --force', 'without waiting for requests under way'],
      ],
    }).option('--force', 'kill what does not stop at once'),
  ).action(async (flags: FleetFlags & JsonFlag & { force?: boolean }) => {
    const { down } = await import('../up/down.ts')
    const stateDir = await locateState(flags)
    const result = await down(stateDir, flags.force ?? false)
    printResult(flags.json, result, () =>
      result.was === 'not running'
        ? `nothing runs in ${stateDir}`
        : result.was === 'running'
          ? `stopped the fleet in ${stateDir}`
          : `ended what was left running in ${stateDir}`,
    )
  })
}
