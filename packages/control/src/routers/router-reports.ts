/** What routers said last, in memory, and which of them count: those that report. */
import type { RouterReport } from '@cellplane/contract'
import type { StoredRouter } from '../store/collections.ts'

/** Routers report each second. One that missed five is silent: it has no say in what is applied or in flight. */
export const ROUTER_SILENT_AFTER_MS = 5_000

/** Router processes that are remembered; more than that is a name made up per report. */
export const ROUTERS_MAX = 1_000

type Heard = { report: RouterReport; receivedAt: number; at: Date }
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
      heard.delete(report.router)
      heard.set(report.router, { report, receivedAt: now(), at: new Date() })
      unsaved.add(report.router)
      return true
    },
    isReporting(router: string): boolean {
      const last = heard.get(router)
      return last !== undefined && isFresh(last)
    },
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
    /** All that are remembered, silent ones too. */
    list: (): StoredRouter[] => [...heard.values()].map(storedRouter),
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

function storedRouter({ report, at }: Heard): StoredRouter {
  return {
    router: report.router,
    last_report_at: at.toISOString(),
    base: report.base,
    overlay: report.overlay,
    refused_documents: report.refused_documents,
    last_refusal: report.last_refusal,
  }
}
