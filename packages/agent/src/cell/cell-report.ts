/** What the control plane is told of a cell: its plan, set against what runs. */
import type { ComponentStatus, Holdings, HostReport, Store } from '@cellplane/contract'
import type { KeeperStatus } from '../component/keeper.ts'
import type { CellPlan } from './site.ts'

export type CellReport = HostReport['cells'][number]

/** A process that is kept running, and the plan by which it was started. */
export type KeptFacts = { plan: CellPlan; port: number | undefined; status: KeeperStatus }

export type CellFacts = {
  plan: CellPlan
  database: { port: number; status: KeeperStatus } | undefined
  components: ReadonlyMap<string, KeptFacts>
  /** What the last attempt to follow the plan stumbled over, and at which component, if at one. */
  problem: { component: string | undefined; message: string } | undefined
  /** The component whose targets are being run. */
  preparing: string | undefined
  endpoint: string | undefined
  store: Store | undefined
  holdings: Holdings | null
  limits: string
}

/** The contract's bound on an error's text. */
const ERROR_CHARS_MAX = 2048

export function cellReport(facts: CellFacts): CellReport {
  const { plan, components } = facts
  const { cell } = plan
  const statuses = [
    ...(cell.database === 'postgres' ? [databaseStatus(facts)] : []),
    ...plan.components.map(({ name }) => componentStatus(facts, name)),
  ]
  // What runs by a former plan does not count: who waits for a change would take it for made.
  const isAsPlanned = plan.components.every(({ name }) => components.get(name)?.plan === plan)
  const isHealthy = statuses.every(({ phase, is_healthy }) => phase === 'running' && is_healthy)
  return {
    id: cell.id,
    slot: cell.slot,
    is_running: cell.wanted === 'running' && isAsPlanned && isHealthy,
    endpoint: facts.endpoint ?? null,
    stores: facts.store ? [facts.store] : [],
    components: statuses,
    holdings: facts.holdings,
    limits: facts.limits,
  }
}

function databaseStatus(facts: CellFacts): ComponentStatus {
  const { database } = facts
  if (!database) return { name: 'postgres', port: null, ...absentStatus(facts, undefined) }
  return { name: 'postgres', port: database.port, ...bounded(database.status) }
}

/** A release that cannot be taken in is told at the component, though the former one goes on running. */
function componentStatus(facts: CellFacts, name: string): ComponentStatus {
  const kept = facts.components.get(name)
  if (!kept) return { name, port: null, ...absentStatus(facts, name) }
  const error = problemOf(facts, name) ?? kept.status.last_error
  return { name, port: kept.port ?? null, ...bounded({ ...kept.status, last_error: error }) }
}

/** Of what nobody keeps running yet. */
function absentStatus(facts: CellFacts, name: string | undefined): KeeperStatus {
  const error = problemOf(facts, name)
  const isPreparing = name !== undefined && name === facts.preparing
  return bounded({
    phase: absentPhase(facts.plan.cell.wanted, isPreparing, error),
    pid: null,
    restarts: 0,
    is_healthy: false,
    last_error: error,
  })
}

/** A problem that is no component's is everyone's. */
function problemOf({ problem }: CellFacts, name: string | undefined): string | null {
  return problem && (problem.component ?? name) === name ? problem.message : null
}

function absentPhase(wanted: string, isPreparing: boolean, error: string | null): ComponentStatus['phase'] {
  if (wanted === 'stopped') return 'stopped'
  if (isPreparing) return 'bootstrapping'
  return error === null ? 'waiting' : 'failed'
}

function bounded(status: KeeperStatus): KeeperStatus {
  return { ...status, last_error: status.last_error?.slice(0, ERROR_CHARS_MAX) ?? null }
}
