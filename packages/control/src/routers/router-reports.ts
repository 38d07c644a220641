/** What routers said last, in memory, and which of them count: those that report. */
import type { RouterReport } from '@cellplane/contract'
import type { RouterFigures, RouterSeen } from '@cellplane/core'
import { routerFiguresOf } from '../quarantine/router-figures.ts'
import type { StoredRouter } from '../store/collections.ts'
import { FORGOTTEN_AFTER_MS } from './forget-silent.ts'

/** Routers report each second. One that missed five is silent: it has no say in what is applied or in flight. */
export const ROUTER_SILENT_AFTER_MS = 5_000

/** Router processes that are remembered; more than that is a name made up per report. */
export const ROUTERS_MAX = 1_000

/** Between two reports that are further apart nothing was measured, and what grew meanwhile counts for no time. */
export const REPORT_GAP_MS_MAX = 60_000

/** `unbrokenSince`: since when it was heard without a gap. */
type Heard = { report: RouterReport; receivedAt: number; unbrokenSince: number; at: Date }
type DocumentVersion = { epoch: number; version: number }

export type RouterReports = ReturnType<typeof createRouterReports>

/** `now` gives ms that never step back. */
export function createRouterReports(now: () => number) {
  const heard = new Map<string, Heard>()
  const unsaved = new Set<string>()
  const isFresh = ({ receivedAt }: Heard) => now() - receivedAt <= ROUTER_SILENT_AFTER_MS
  const reporting = () => [...heard.values()].filter(isFresh)

  return {
    /** False when there are too many routers to remember another one. The longest silent one makes room if it can. */
    accept(report: RouterReport): boolean {
      if (!heard.has(report.router) && heard.size >= ROUTERS_MAX) {
        const silent = [...heard].find(([, one]) => !isFresh(one))
        if (!silent) return false
        heard.delete(silent[0])
      }
      const receivedAt = now()
      const before = heard.get(report.router)
      const isUnbroken = before !== undefined && receivedAt - before.receivedAt <= REPORT_GAP_MS_MAX
      const unbrokenSince = isUnbroken ? before.unbrokenSince : receivedAt
      heard.delete(report.router)
      heard.set(report.router, { report, receivedAt, unbrokenSince, at: new Date() })
      unsaved.add(report.router)
      return true
    },
    /** What routers that report say that tenants did: see core's `accuse`. */
    tenantFigures: (): RouterFigures[] =>
      reporting().flatMap(({ report, at }) => routerFiguresOf(report, at.getTime()) ?? []),
    /** Which documents each router said last that it has, silent ones too: what it had once was published once. */
    held: (): Pick<RouterReport, 'router' | 'base' | 'overlay'>[] =>
      [...heard.values()].map(({ report }) => report),
    isReporting(router: string): boolean {
      const last = heard.get(router)
      return last !== undefined && isFresh(last)
    },
    /**
     * Whether each router that was heard within the last `withinMs`, a day at most, was heard throughout the last `lastMs`:
     * calm may be what the one that is silent does not say.
     */
    areHeardThroughout(lastMs: number, withinMs: number): boolean {
      return [...heard.values()].every(({ receivedAt, unbrokenSince }) => {
        const silentMs = now() - receivedAt
        if (silentMs > Math.min(withinMs, FORGOTTEN_AFTER_MS)) return true
        return silentMs <= REPORT_GAP_MS_MAX && now() - unbrokenSince >= lastMs
      })
    },
    /** Those that report and divide limits with each other, always in the same order. Older releases tell no arrivals, and take no share. */
    dividing: (): string[] =>
      reporting()
        .filter(({ report }) => report.arrivals)
        .map(({ report }) => report.router)
        .sort(),
    /** What the routers that report said last, with when, on the clock of `now`. */
    seen: (): Map<string, RouterSeen> =>
      new Map(reporting().map(({ report, receivedAt }) => [report.router, seenIn(report, receivedAt)])),
    /** Whether every router that reports routes by this base or a newer one. */
    haveApplied(base: DocumentVersion): boolean {
      return reporting().every(
        ({ report }) =>
          report.base !== null &&
          (report.base.epoch > base.epoch ||
            (report.base.epoch === base.epoch && report.base.version >= base.version)),
      )
    },
    inFlight(slot: number): number {
      return reporting().reduce(
        (sum, { report }) => sum + (report.cells.find((cell) => cell.slot === slot)?.in_flight ?? 0),
        0,
      )
    },
    /** The same for every cell that is reported. */
    inFlightBySlot(): Map<number, number> {
      const sums = new Map<number, number>()
      for (const { report } of reporting()) {
        for (const { slot, in_flight: count } of report.cells) sums.set(slot, (sums.get(slot) ?? 0) + count)
      }
      return sums
    },
    /** Which routers keep away from a cell by themselves, of those that report. */
    ejectedBySlot(): Map<number, string[]> {
      const routersOf = new Map<number, string[]>()
      for (const { report } of reporting()) {
        for (const { slot, is_ejected } of report.cells) {
          if (is_ejected) routersOf.set(slot, [...(routersOf.get(slot) ?? []), report.router])
        }
      }
      return routersOf
    },
    /** All that were heard within a day, silent ones too. */
    list: (): StoredRouter[] =>
      [...heard.values()]
        .filter(({ receivedAt }) => now() - receivedAt <= FORGOTTEN_AFTER_MS)
        .map(storedRouter),
    /** Routers that reported since the last call, as the store remembers them. */
    takeUnsaved(): StoredRouter[] {
      const routers = [...unsaved]
      unsaved.clear()
      return routers.flatMap((router) => {
        const last = heard.get(router)
        return last ? [storedRouter(last)] : []
      })
    },
  }
}

function seenIn(report: RouterReport, reportedAt: number): RouterSeen {
  const sum = (field: 'requests' | 'errors') => report.cells.reduce((total, cell) => total + cell[field], 0)
  return {
    startedAt: report.started_at,
    requests: sum('requests'),
    errors: sum('errors'),
    cells: new Map(report.cells.map((cell) => [cell.slot, cell])),
    refused: report.refused_documents,
    lastRefusal: report.last_refusal,
    base: report.base,
    reportedAt,
  }
}

function storedRouter({ report, at }: Heard): StoredRouter {
  return {
    router: report.router,
    last_report_at: at.toISOString(),
    base: versionIn(report.base),
    overlay: versionIn(report.overlay),
    refused_documents: report.refused_documents,
    last_refusal: report.last_refusal,
  }
}

/** Without the signature: a row is read by replicas of older releases too. */
const versionIn = (document: DocumentVersion | null): DocumentVersion | null =>
  document && { epoch: document.epoch, version: document.version }
