/** Waiting for a cell to get somewhere, for `--wait`. */
import type { ApiClient } from '@cellplane/client'
import type { CellView } from '@cellplane/contract'
import { Failure } from '../failure.ts'
import { pause } from '../pause.ts'

/** A cell takes about ten seconds to come up on a laptop; what has not happened by now needs a person. */
const WAIT_MAX_MS = 300_000
const LOOK_EVERY_MS = 500

/** `what` completes "cell-001 did not … within". */
export async function waitForCell(
  client: ApiClient,
  id: string,
  what: string,
  isThere: (cell: CellView) => boolean,
): Promise<CellView> {
  const deadline = performance.now() + WAIT_MAX_MS
  for (;;) {
    const cell = await client.getCell({ params: { cell: id } })
    if (isThere(cell)) return cell
    if (performance.now() > deadline) {
      const why = cell.problem ?? cell.health_reason
      throw new Failure(
        'WAITED_IN_VAIN',
        `${id} did not ${what} within ${WAIT_MAX_MS / 1000} s: it is ${cell.state} and ${cell.health}${why ? ` (${why})` : ''}; see \`cellplane logs --cell ${id}\``,
      )
    }
    await pause(LOOK_EVERY_MS)
  }
}
