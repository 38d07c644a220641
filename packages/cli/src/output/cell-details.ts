/** One cell in full, as `cell show` and every command that changes a cell print it. */
import type { CellView } from '@cellplane/contract'
import { formatPairs } from './table.ts'

export function formatCell(cell: CellView): string {
  const { holdings } = cell
  const pairs: [string, string][] = [
    ['cell', `${cell.id} (slot ${cell.slot}, ${cell.role})`],
    ['state', `${cell.state} since ${cell.state_since}`],
    ['health', cell.health_reason ? `${cell.health}: ${cell.health_reason}` : cell.health],
    ['place', `${cell.region}/${cell.zone}, host ${cell.host}`],
    ['weight', String(cell.weight)],
    ['release', cell.release],
    ['endpoint', cell.endpoint ?? 'not reported yet'],
    [
      'stores',
      cell.stores.map((store) => `${store.kind} at ${store.location}`).join('\n') || 'none reported',
    ],
    [
      'holds',
      holdings
        ? `${holdings.undelivered} undelivered, ${holdings.retained} within retention${holdings.retained_until ? ` until ${holdings.retained_until}` : ''}`
        : 'unknown',
    ],
  ]
  const capacity = Object.entries(cell.capacity).map(([name, value]) => `${name} ${value}`)
  if (capacity.length > 0) pairs.push(['capacity', capacity.join(', ')])
  if (cell.problem) pairs.push(['problem', cell.problem])
  return formatPairs(pairs)
}
