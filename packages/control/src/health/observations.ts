/**
 * What is seen of the cells, from three sides: their hosts' word, our probes, and the routers' traffic.
 *
 * All of it is memory, seconds old, and said again every second; the registry holds what was decided by it.
 */
import type { Cell, Holdings } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { type CellFacts, type ProbeState, sharedStores } from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import { createHostReports } from '../hosts/host-reports.ts'
import { createRouterReports } from '../routers/router-reports.ts'
import type { HeldBase } from '../topology/published.ts'
import { createGrayDetector } from './gray.ts'
import { startProber } from './prober.ts'

export type Observations = ReturnType<typeof startObservations>

/** `onChange` is called when a cell's probed health changed. */
export function startObservations(fleet: FleetFile, now: () => number, onChange: () => void) {
  const hosts = createHostReports(monotonicNow)
  const routers = createRouterReports(monotonicNow)
  const gray = createGrayDetector()
  const prober = startProber(fleet.health, now, onChange)

  /** What the probes say, unless the routers know better. */
  function stateOf(slot: number): ProbeState {
    const state = prober.stateOf(slot)
    const mark = state.health === 'unhealthy' ? undefined : gray.judge(slot, monotonicNow())
    return mark ? { health: 'unhealthy', since: mark.since, reason: mark.reason, contrary: 0 } : state
  }

  const holdingsOf = (cell: Cell): Holdings | null => hosts.of(cell)?.holdings ?? null

  /** Why the cell does not serve, in words, or null when it does. */
  function whyNotServing(cell: Cell): string | null {
    const report = hosts.of(cell)
    if (!report) {
      return hosts.isReporting(cell.host)
        ? `host "${cell.host}" does not report the cell yet`
        : `host "${cell.host}" is silent; see whether its agent runs`
    }
    if (!report.is_running) {
      const broken = report.components.find((component) => component.last_error !== null)
      const waiting = report.components.find((component) => !component.is_healthy)
      if (broken) return `component "${broken.name}" is ${broken.phase}: ${broken.last_error}`
      return waiting ? `component "${waiting.name}" is ${waiting.phase}` : 'it does not run'
    }
    if (report.endpoint === null || cell.endpoint !== report.endpoint) return 'its endpoint is not known yet'
    const { health, reason } = prober.stateOf(cell.slot)
    return health === 'healthy' ? null : `its health path: ${reason}`
  }

  function factsOf(cell: Cell, cells: readonly Cell[], base: HeldBase | null, force = false): CellFacts {
    const active = cells.filter((one) => one.state === 'active' && one.role === 'serving').length
    const shared = sharedStores(cells).find((one) => one.path.startsWith(`${cell.id}.`))
    const published = base?.snapshot.base.cells.find((one) => one.slot === cell.slot)
    return {
      cell: cell.id,
      isServing: whyNotServing(cell) === null,
      blockedBecause: shared?.message ?? null,
      // The quarantine cell is in no shard: leaving it takes nothing from one.
      activeCells: cell.role === 'quarantine' ? active + 1 : active,
      shardSize: fleet.placement.shard_size,
      isLeftByRouters: base !== null && published?.state !== 'active' && routers.haveApplied(base),
      inFlight: routers.inFlight(cell.slot),
      holdings: holdingsOf(cell),
      mustReportHoldings: fleet.cells.holdings === 'reported',
      force,
    }
  }

  return {
    hosts,
    routers,
    gray,
    stateOf,
    holdingsOf,
    whyNotServing,
    factsOf,
    /**
     * Which cells are probed; none without the lease, so that replicas do not probe twice. One that has never served only
     * once its host says that it runs: failures from before would have to be outweighed by several successes.
     */
    watch(cells: readonly Cell[]): void {
      const isAsked = (cell: Cell) =>
        cell.state === 'provisioning' ? hosts.of(cell)?.is_running === true : cell.state !== 'retired'
      prober.setTargets(
        cells.flatMap((cell) =>
          cell.endpoint === null || !isAsked(cell) ? [] : [{ slot: cell.slot, endpoint: cell.endpoint }],
        ),
      )
    },
    stop: prober.stop,
  }
}
