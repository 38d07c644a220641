/** What a host is to run: registry + fleet file → order. Pure. */
import { canonicalJson, type HostOrder, type HostOrderCell } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { StoredCell } from '../store/collections.ts'

/** The contract's bound on an order. Retired cells give way first. */
const CELLS_IN_ORDER_MAX = 1000

export type OrderInput = {
  host: string
  fleet: FleetFile
  directory: string
  /** The whole registry. */
  cells: readonly StoredCell[]
  epoch: number
  /** The order in force, if any. */
  current: HostOrder | undefined
}

/** The order in force itself when it says all of it already; otherwise the next version. */
export function planOrder(input: OrderInput): HostOrder {
  const { host, fleet, current, epoch } = input
  const content: Omit<HostOrder, 'version'> = {
    host,
    fleet: fleet.fleet,
    epoch,
    directory: input.directory,
    components: fleet.components,
    cells: input.cells
      .filter(({ cell }) => cell.host === host)
      .map((stored) => orderCell(stored, fleet))
      .sort((a, b) => Number(a.wanted === 'stopped') - Number(b.wanted === 'stopped') || a.slot - b.slot)
      .slice(0, CELLS_IN_ORDER_MAX),
    tokens: orderTokens(fleet),
  }
  if (current && isSameContent(current, content)) return current
  return { ...content, version: (current?.version ?? 0) + 1 }
}

function orderCell({ cell, database_url: databaseUrl }: StoredCell, fleet: FleetFile): HostOrderCell {
  const { cells, health } = fleet
  return {
    id: cell.id,
    slot: cell.slot,
    zone: cell.zone,
    region: cell.region,
    role: cell.role,
    wanted: cell.state === 'retired' ? 'stopped' : 'running',
    release: cell.release,
    database: databaseUrl === null ? cells.database : 'external',
    health_path: health.path,
    holdings: cells.holdings,
    retention_hours: cells.retention_hours,
    capacity: Object.fromEntries(Object.entries(cell.capacity).filter(isDeclared)),
    memory_mb: cells.resources.memory_mb ?? null,
    cpus: cells.resources.cpus ?? null,
  }
}

function isDeclared(ceiling: [string, number | undefined]): ceiling is [string, number] {
  return ceiling[1] !== undefined
}

/** Cells verify tokens themselves; what they need is the policy and the claim that names the tenant. */
function orderTokens({ tokens, partition_key: key }: FleetFile): HostOrder['tokens'] {
  const rule = key.rules.find((one) => one.from === 'jwt')
  if (!tokens || rule?.from !== 'jwt') return null
  return {
    issuer: tokens.issuer,
    audience: tokens.audience,
    algorithms: tokens.algorithms,
    claim: rule.claim,
  }
}

/** Asked every second of every host, and nearly always so: the plain text tells it at a tenth of the canonical one's cost. */
function isSameContent(current: HostOrder, next: Omit<HostOrder, 'version'>): boolean {
  const { version: _version, ...content } = current
  return JSON.stringify(content) === JSON.stringify(next) || canonicalJson(content) === canonicalJson(next)
}
