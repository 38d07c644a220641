/**
 * Sizing: how many cells a fleet needs, and how large they are. First-pass figures, each with the sum that it comes from.
 *
 * - A cell's ceiling is what it is declared and load-tested to carry. Without one, five times the largest tenant is a
 *   start: a cell must hold its largest tenant with room to spare.
 * - Cells = ceil(peak ÷ ceiling × 1.5). The half on top lets a cell be drained while the others stay below their
 *   ceilings.
 * - Requests in flight = requests a second × seconds in the cell (Little's law): what to set `in_flight` to.
 * - A tenant may use at most capacity ÷ shard size of each of its cells, or it takes its whole shard down by itself.
 * - The guide's ranges by type of service tell whether the result is in the usual order of magnitude.
 */
import type { Capacity } from '@cellplane/contract'
import type { SizingInput } from '@cellplane/contract/fleet-file'

export const HEADROOM = 1.5
export const CEILING_PER_LARGEST_TENANT = 5
/** A region with more is unmanageable for most teams: grow the cells instead. */
export const CELLS_PER_REGION_MAX = 200

type Range = { from: number; to: number }
export type ServiceType = NonNullable<SizingInput['service_type']>

/** The guide's table: tenants a cell (users, schemas, teams: what the service calls them) and cells a region. */
export const SERVICE_TYPES: Record<ServiceType, { tenantsPerCell: Range; cells: Range; advice: string }> = {
  'b2b-saas': {
    tenantsPerCell: { from: 500, to: 5_000 },
    cells: { from: 8, to: 32 },
    advice: 'tenants are companies; size by the p99 traffic of the largest',
  },
  'consumer-messaging': {
    tenantsPerCell: { from: 100_000, to: 1_000_000 },
    cells: { from: 16, to: 64 },
    advice: 'size by sustained connections, not by users',
  },
  'multi-tenant-database': {
    tenantsPerCell: { from: 50, to: 500 },
    cells: { from: 16, to: 128 },
    advice: 'storage and IOPS decide',
  },
  'internal-platform': {
    tenantsPerCell: { from: 10, to: 50 },
    cells: { from: 4, to: 16 },
    advice: 'size by compute, not by request rate',
  },
}

export type SizingReport = {
  cellsNeeded: number
  cellsPlanned: number
  /** Requests a second that a cell is reckoned with. */
  ceiling: number
  ceilingFrom: 'declared' | 'largest-tenant' | 'unknown'
  /** Requests in flight in a cell at its ceiling; null without `request_ms`. */
  inFlightPerCell: number | null
  /** Requests a second that one tenant may use of a cell. */
  tenantCap: number
  /** Each in a sentence; `isWarning` where the plan falls short. */
  findings: { isWarning: boolean; text: string }[]
}

/** `cells` is the number of serving cells as planned. */
export function sizeFleet(
  input: SizingInput,
  cells: number,
  capacity: Capacity,
  shardSize: number,
): SizingReport {
  const peak = input.peak_requests_per_second
  const largest = input.largest_tenant_requests_per_second
  const declared = capacity.requests_per_second
  const ceiling = declared ?? (largest === undefined ? peak / cells : largest * CEILING_PER_LARGEST_TENANT)
  const ceilingFrom =
    declared !== undefined ? 'declared' : largest === undefined ? 'unknown' : 'largest-tenant'
  const cellsNeeded = Math.max(shardSize, Math.ceil((peak / ceiling) * HEADROOM))
  const tenantCap = ceiling / shardSize
  const inFlightPerCell = input.request_ms === undefined ? null : (ceiling * input.request_ms) / 1000

  const findings: SizingReport['findings'] = []
  const say = (isWarning: boolean, text: string) => findings.push({ isWarning, text })
  if (ceilingFrom === 'unknown') {
    say(
      true,
      'no ceiling of a cell is known; declare cells.capacity.requests_per_second, or name the largest tenant’s traffic',
    )
  } else {
    say(
      cells < cellsNeeded,
      `ceil(${peak} / ${ceiling} × ${HEADROOM}) = ${cellsNeeded} cells carry the peak with one drained; ${cells} are planned`,
    )
  }
  if (largest !== undefined) {
    say(
      largest > tenantCap,
      `the largest tenant has ${largest} requests/s; it may use at most ${ceiling} / ${shardSize} = ${round(tenantCap)} of a cell`,
    )
    if (declared !== undefined && declared < largest * CEILING_PER_LARGEST_TENANT) {
      say(
        true,
        `a cell's ceiling of ${declared} is below ${CEILING_PER_LARGEST_TENANT} × the largest tenant (${largest * CEILING_PER_LARGEST_TENANT}); it may fill a cell by itself`,
      )
    }
  }
  if (inFlightPerCell !== null) {
    const limit = capacity.in_flight
    say(
      limit !== undefined && limit < inFlightPerCell,
      `${ceiling} requests/s × ${input.request_ms} ms = ${round(inFlightPerCell)} requests in flight in a cell${limit === undefined ? '' : `; its limit is ${limit}`}`,
    )
  }
  if (cells > CELLS_PER_REGION_MAX) {
    say(
      true,
      `${cells} cells are more than ${CELLS_PER_REGION_MAX}; each has a fixed cost, so grow the cells until they must be split`,
    )
  }
  if (input.service_type !== undefined)
    findings.push(...compareWithUsual(input.service_type, cells, input.tenants))
  return { cellsNeeded, cellsPlanned: cells, ceiling, ceilingFrom, inFlightPerCell, tenantCap, findings }
}

function compareWithUsual(
  type: ServiceType,
  cells: number,
  tenants: number | undefined,
): SizingReport['findings'] {
  const usual = SERVICE_TYPES[type]
  const isOutside = (value: number, { from, to }: Range) => value < from || value > to
  const findings = [
    {
      isWarning: isOutside(cells, usual.cells),
      text: `${type} usually has ${usual.cells.from}–${usual.cells.to} cells a region, this fleet ${cells}; ${usual.advice}`,
    },
  ]
  if (tenants !== undefined) {
    const perCell = Math.round(tenants / cells)
    findings.push({
      isWarning: perCell > usual.tenantsPerCell.to,
      text: `${type} usually has ${usual.tenantsPerCell.from}–${usual.tenantsPerCell.to} tenants a cell, this fleet ${perCell}`,
    })
  }
  return findings
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
