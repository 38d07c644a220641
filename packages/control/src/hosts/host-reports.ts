/** What hosts said last, in memory: the next report says it again, so nothing is lost with the process. */
import type { Cell, HostReport } from '@cellplane/contract'
import type { StoredHost } from '../store/collections.ts'

/** Agents report each second. One that missed five is silent, and what it said no longer counts. */
export const HOST_SILENT_AFTER_MS = 5_000

export type CellReport = HostReport['cells'][number]

type Heard = { report: HostReport; receivedAt: number; at: Date; cells: Map<string, CellReport> }

export type HostReports = ReturnType<typeof createHostReports>

/** `now` gives ms that never step back. Hosts are bounded by the registry: the API takes no report of an unknown one. */
export function createHostReports(now: () => number) {
  const heard = new Map<string, Heard>()
  const unsaved = new Set<string>()

  const isReporting = (host: string): boolean => {
    const last = heard.get(host)
    return last !== undefined && now() - last.receivedAt <= HOST_SILENT_AFTER_MS
  }

  return {
    /** Returns whether it says anything else than the report before, its time apart. */
    accept(report: HostReport): boolean {
      const before = heard.get(report.host)?.report
      const cells = new Map(report.cells.map((cell) => [cell.id, cell]))
      heard.set(report.host, { report, receivedAt: now(), at: new Date(), cells })
      unsaved.add(report.host)
      return JSON.stringify(before?.cells) !== JSON.stringify(report.cells)
    },
    isReporting,
    /** Which order each host said last that it obeys, silent ones too. */
    obeyed: (): Pick<HostReport, 'host' | 'order'>[] => [...heard.values()].map(({ report }) => report),
    /** What the cell's own host says of it; another host has no say. Undefined when it is silent. */
    of(cell: Pick<Cell, 'id' | 'slot' | 'host'>): CellReport | undefined {
      if (!isReporting(cell.host)) return undefined
      const found = heard.get(cell.host)?.cells.get(cell.id)
      return found?.slot === cell.slot ? found : undefined
    },
    /** All that reported, silent ones too. */
    list: (): StoredHost[] => [...heard.values()].map(storedHost),
    /** Hosts that reported since the last call, as the store remembers them. */
    takeUnsaved(): StoredHost[] {
      const hosts = [...unsaved]
      unsaved.clear()
      return hosts.flatMap((host) => {
        const last = heard.get(host)
        return last ? [storedHost(last)] : []
      })
    },
  }
}

function storedHost({ report, at }: Heard): StoredHost {
  return { host: report.host, last_report_at: at.toISOString() }
}
