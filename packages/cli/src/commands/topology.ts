/** `cellplane topology …`: the signed documents that routers follow. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { topologyDiffCommand } from './topology-diff.ts'
import { topologyForceCommand } from './topology-force.ts'
import { topologyHistoryCommand } from './topology-history.ts'
import { topologyResumeCommand } from './topology-resume.ts'
import { topologyRollbackCommand } from './topology-rollback.ts'
import { topologyShowCommand } from './topology-show.ts'
import { topologyVerifyCommand } from './topology-verify.ts'

export function topologyCommand(): Command {
  return createGroup('topology', 'Show, verify and compare the topology, and go back', [
    topologyShowCommand(),
    topologyVerifyCommand(),
    topologyHistoryCommand(),
    topologyDiffCommand(),
    topologyRollbackCommand(),
    topologyForceCommand(),
    topologyResumeCommand(),
  ])
}
