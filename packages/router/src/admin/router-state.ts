/** What the admin port shows of the process: the parts of it, to be looked at only. */

import type { SpanExporter } from '@cellplane/tracing'
import type { Cells } from '../cells/cells.ts'
import type { CrashWatch } from '../decision/crash-watch.ts'
import type { LimitShares } from '../decision/limit-shares.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import type { StoreState } from '../documents/object-store-source.ts'
import type { Refusals } from '../documents/refusals.ts'
import type { Topology } from '../documents/topology-follower.ts'
import type { Reporter } from '../reports/reporter.ts'
import type { HoldCounts } from '../serve/holds.ts'
import type { Traffic } from '../serve/traffic.ts'
import type { CellTlsFiles } from '../tls/cell-tls.ts'
import type { ReloadedFiles } from '../tls/reloaded-files.ts'
import type { TlsListener } from '../tls/tls-listener.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'

export type RouterState = {
  readonly router: string
  readonly fleet: string
  readonly startedAt: string
  readonly cells: Pick<Cells, 'arrays' | 'isEjected' | 'isMarked' | 'marksIgnoredBecause'>
  readonly crashes: Pick<CrashWatch, 'suspensions' | 'suspensionCount'>
  readonly traffic: Traffic
  readonly refusals: Refusals
  readonly shares: Pick<LimitShares, 'inForce'>
  readonly reporter: Pick<Reporter, 'dropped' | 'refusedShares' | 'lastSharesRefusal'>
  readonly verifier: Pick<TokenVerifier, 'cachedCount'>
  /** Null when nobody wants spans. */
  readonly spans: Pick<SpanExporter, 'exported' | 'dropped'> | null
  /** Null until the public port is open. */
  holds(): HoldCounts | null
  currentTopology(): Topology | null
  currentView(): RoutingView | null
  /** Ms since the epoch; null before the control plane answered for the first time. */
  controlPlaneSeenAt(): number | null
  /** Null where none is configured, and before it is looked at. */
  objectStore(): Readonly<StoreState> | null
  /** Null where TLS is not spoken, or without files of our own. */
  tls(): { listener: TlsListener | null; cells: ReloadedFiles<CellTlsFiles> | null }
}
