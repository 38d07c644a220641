/** What the serving of requests needs of the rest of the process. */
import type { Addresses } from '../cells/addresses.ts'
import type { Cells } from '../cells/cells.ts'
import type { RouterConfig, RouterLimits } from '../config.ts'
import type { CrashWatch } from '../decision/crash-watch.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import type { Tenants } from '../decision/tenants.ts'
import type { RequestScan } from '../http/request-scan.ts'
import type { Logger } from '../log.ts'
import type { CellTls } from '../tls/cell-tls.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { AccessLog } from './access-log.ts'
import type { BaseWaits } from './base-waits.ts'
import type { Deadlines } from './deadlines.ts'
import type { Holds } from './holds.ts'
import type { Traffic } from './traffic.ts'

/** A client as the public port keeps account of it: a connection, of HTTP/2 with all its streams. */
export type Client = {
  /** Nothing is under way. */
  readonly isIdle: boolean
  askToLeave(): void
  leaveLeavingCell(): void
  destroy(): void
}

export type ServeDeps = {
  readonly cells: Cells
  readonly crashes: Pick<CrashWatch, 'attemptFailed' | 'isSuspect'>
  /** Connects to cells whose URL is https. */
  readonly cellTls: CellTls
  /** Of cells that are named by a host name. */
  readonly addresses: Addresses
  readonly tenants: Tenants
  readonly limits: RouterLimits
  /** What is believed of a client's own headers. */
  readonly clientHeaders: RouterConfig['client_headers']
  readonly verifier: TokenVerifier
  readonly traffic: Traffic
  readonly accessLog: AccessLog
  /** Null when nobody wants spans. */
  readonly tracing: Tracing | null
  readonly log: Logger
  readonly deadlines: Deadlines
  readonly holds: Holds
  readonly baseWaits: BaseWaits
  /** True once the process was told to stop: every answer from then on closes its connection. */
  isStopping: boolean
  /** The scan for request heads; it knows the headers that hold partition keys by the current view. */
  scan(): RequestScan
  /** Null until a topology was accepted. */
  currentView(): RoutingView | null
  /** Asks for newer documents, at most once in a while. Resolves when that is done. */
  refreshTopology(): Promise<void>
  /** A request met a defect of the router, which is logged and costs that request alone. */
  onDefect(error: Error): void
  onClientClosed(client: Client): void
}
