/** `cellplane topology …`: the signed documents that routers follow. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { topologyDiffCommand } from './topology-diff.ts'
import { topologyShowCommand } from './topology-show.ts'
import { topologyVerifyCommand } from './topology-verify.ts'

export function topologyCommand(): Command {
  return createGroup('topology', 'Show, verify and compare the topology', [
    topologyShowCommand(),
    topologyVerifyCommand(),
    topologyDiffCommand(),
  ])
}
