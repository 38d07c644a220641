/**
 * What is seen of the cells: their hosts' word, our probes, and the routers' traffic.
 *
 * All of it is memory, seconds old, and said again every second; the registry holds what was decided by it.
 */
import type { Cell, Holdings } from '@cellplane/contract'
import type { FleetFile, SyntheticPolicy } from '@cellplane/contract/fleet-file'
import { type CellFacts, type CellHealth, sharedStores } from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import { createHostReports } from '../hosts/host-reports.ts'
import { createRouterReports } from '../routers/router-reports.ts'
import type { HeldBase } from '../topology/published.ts'
import { createCellHealths } from './cell-healths.ts'
import { askHealthPath } from './health-path.ts'
import { type ProbeTarget, startProber } from './prober.ts'
import { createRouterEvidence } from './router-evidence.ts'
import { askAsSyntheticTenant } from './synthetic-tenant.ts'

export type Observations = ReturnType<typeof startObservations>

/**
 * `onChange` is called when what a probe says of a cell changed: it is time for the next `watch`, which looks at all cells.
 * Not looked at once, because of a fleet that fails as one, each cell would have all looked at again. `routerKey`: the
 * synthetic tenant's secrets are derived from it.
 */
export function startObservations(
  fleet: FleetFile,
  now: () => number,
  onChange: () => void,
  routerKey: string,
) {
  const hosts = createHostReports(monotonicNow)
  const routers = createRouterReports(monotonicNow)
  const evidence = createRouterEvidence()
  /** Of the wall clock's time at the start, on a clock that does not jump. */
  const startedAt = now() - monotonicNow()
  const steadyNow = () => startedAt + monotonicNow()
  let watched: readonly Cell[] = []

  let writtenTo = new Set<number>()

  function startWriter(policy: SyntheticPolicy) {
    const { unhealthy_after, healthy_after } = fleet.health
    const ask = askAsSyntheticTenant({ policy, fleet: fleet.fleet, routerKey })
    return startProber(
      { interval_ms: policy.interval_ms, unhealthy_after, healthy_after },
      ask,
      steadyNow,
      onChange,
    )
  }

  const prober = startProber(fleet.health, askHealthPath(fleet.health), steadyNow, onChange)
  const writer = fleet.health.synthetic && startWriter(fleet.health.synthetic)
  const healths = createCellHealths({
    probeOf: prober.stateOf,
    writeOf: (slot) => (writtenTo.has(slot) ? writer?.stateOf(slot) : undefined),
    windowOf: (slot) => evidence.windowOf(slot, monotonicNow()),
    now: steadyNow,
  })

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
    evidence,
    healthOf: (slot: number): CellHealth => healths.of(slot),
    listHealths: () => watched.map(({ id, slot }) => ({ cell: id, health: healths.of(slot) })),
    inheritMark: healths.inherit,
    steadyNow,
    holdingsOf,
    whyNotServing,
    factsOf,
    /**
     * Looks at how these cells are, and probes them from now on; none without the lease, so that replicas do not probe
     * twice. One that has never served is probed only once its host says that it runs: failures from before would have to
     * be outweighed by several successes.
     */
    watch(cells: readonly Cell[]): void {
      const isAsked = (cell: Cell) =>
        cell.state === 'provisioning' ? hosts.of(cell)?.is_running === true : cell.state !== 'retired'
      watched = cells.filter((cell) => cell.state !== 'retired')
      prober.setTargets(targetsOf(watched.filter(isAsked)))
      // One that is leaving must come to hold nothing, and these would be work.
      const written = targetsOf(watched.filter((cell) => cell.state === 'active'))
      writtenTo = new Set(written.map(({ slot }) => slot))
      writer?.setTargets(written)
      healths.refresh(watched)
    },
    async stop(): Promise<void> {
      await Promise.all([prober.stop(), writer?.stop()])
    },
  }
}

function targetsOf(cells: readonly Cell[]): ProbeTarget[] {
  return cells.flatMap(({ slot, id, endpoint }) => (endpoint === null ? [] : [{ slot, id, endpoint }]))
}
