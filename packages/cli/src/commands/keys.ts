/** `cellplane keys …`: the keys of a fleet of this machine. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { keysRotateCommand } from './keys-rotate.ts'

export function keysCommand(): Command {
  return createGroup('keys', 'Replace the key that signs the topology', [keysRotateCommand()])
}
