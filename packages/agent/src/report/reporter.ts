/** Tells the control plane what this host runs: each second, and soon after a change. A report that cannot be sent is dropped: the next one says it again. */
import type { HostReport } from '@cellplane/contract'
import type { ControlPlane } from '../control-plane.ts'
import { pause, type Wake } from '../wake.ts'

const REPORT_EVERY_MS = 1_000
/** A burst of changes, such as twenty components that start, is one report. */
const GATHER_MS = 50

export async function keepReporting(
  controlPlane: ControlPlane,
  report: () => HostReport,
  changed: Wake,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // The loop that follows orders says when the control plane is gone; this one need not say it again.
    await controlPlane.report(report(), signal).catch(() => {})
    await pause(GATHER_MS, signal)
    await changed.wait(REPORT_EVERY_MS - GATHER_MS, signal)
  }
}
