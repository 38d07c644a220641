/** Why a cell may have begun to fail, in words: what was seen of it at the time. */
import type { Cell } from '@cellplane/contract'
import type { Observations } from '../health/observations.ts'
import type { Cause } from './incidents.ts'

/** A release that is older than this explains nothing. */
const DEPLOY_SUSPECT_MS = 15 * 60_000

type Releases = ReturnType<typeof createReleases>

/** When each cell's release changed last, as far as this process saw it. */
export function createReleases() {
  let known = new Map<string, { release: string; changedAt: number | null }>()
  return {
    see(cells: readonly Cell[], now: number): void {
      known = new Map(
        cells.map(({ id, release }) => {
          const before = known.get(id)
          if (before?.release === release) return [id, before]
          return [id, { release, changedAt: before ? now : null }]
        }),
      )
    },
    changedAt: (cell: string): number | null => known.get(cell)?.changedAt ?? null,
  }
}

export function causeOf(
  cell: Cell | undefined,
  observations: Pick<Observations, 'healthOf'>,
  releases: Pick<Releases, 'changedAt'>,
  now: number,
): Cause {
  const unknown: Cause = { cause: 'unknown', reason: 'nothing else was seen of the cell at the time' }
  if (!cell) return unknown
  const deployedAt = releases.changedAt(cell.id)
  if (deployedAt !== null && now - deployedAt <= DEPLOY_SUSPECT_MS) {
    const minutes = Math.round((now - deployedAt) / 60_000)
    return { cause: 'deploy', reason: `release ${cell.release} came ${minutes} min before` }
  }
  const { verdict, reason } = observations.healthOf(cell.slot)
  return verdict === 'healthy' || verdict === 'unknown' ? unknown : { cause: 'health', reason }
}
