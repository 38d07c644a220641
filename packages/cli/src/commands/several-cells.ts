/** One change for each of several cells, in turn: `cell drain a b c`. */
import type { CellView } from '@cellplane/contract'
import { usageFailure } from '../failure.ts'
import { printResult } from '../output/print.ts'

/**
 * Prints each cell as it is done, so that a refusal in the middle leaves no doubt about those before it. JSON is one
 * document: the cell, or `{"cells": […]}` when several were named, those that were done when one was refused.
 */
export async function changeCells(
  ids: readonly string[],
  isJson: boolean | undefined,
  change: (id: string) => Promise<CellView>,
  describe: (cell: CellView) => string,
): Promise<void> {
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) throw usageFailure(`cell "${twice}" is named twice; name each once`)
  const done: CellView[] = []
  try {
    for (const id of ids) {
      const cell = await change(id)
      done.push(cell)
      if (!isJson) printResult(false, cell, () => describe(cell))
    }
  } finally {
    if (isJson && done.length > 0) printResult(true, ids.length === 1 ? done[0] : { cells: done }, () => '')
  }
}
