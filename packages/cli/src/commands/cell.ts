/** `cellplane cell …`: the cells of a fleet. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { cellAddCommand } from './cell-add.ts'
import { cellDrainCommand } from './cell-drain.ts'
import { cellListCommand } from './cell-list.ts'
import { cellMergeCommand } from './cell-merge.ts'
import { cellRetireCommand } from './cell-retire.ts'
import { cellSetCommand } from './cell-set.ts'
import { cellShowCommand } from './cell-show.ts'
import { cellSplitCommand } from './cell-split.ts'
import { cellUndrainCommand } from './cell-undrain.ts'

export function cellCommand(): Command {
  return createGroup('cell', 'List, add, change and retire cells', [
    cellListCommand(),
    cellShowCommand(),
    cellAddCommand(),
    cellSetCommand(),
    cellSplitCommand(),
    cellMergeCommand(),
    cellDrainCommand(),
    cellUndrainCommand(),
    cellRetireCommand(),
  ])
}
