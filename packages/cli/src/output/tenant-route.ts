/** Where one tenant's requests go, and why, as every tenant command prints it. */
import type { TenantRoute } from '@cellplane/contract/api'
import { healthText } from './cells.ts'
import { formatPairs, formatTable } from './table.ts'

export function formatTenantRoute(route: TenantRoute): string {
  const pairs: [string, string][] = [
    ['tenant', route.tenant],
    ['bucket', String(route.bucket)],
    ['source', route.source],
  ]
  if (route.generation > 0) pairs.push(['generation', String(route.generation)])
  if (route.former_cells.length > 0) pairs.push(['former cells', route.former_cells.join(', ')])
  pairs.push(['why', route.explanation])
  const cells = formatTable(route.cells, [
    { title: 'CELL', value: (cell) => cell.id },
    { title: 'ROLE', value: (cell) => cell.role },
    { title: 'HEALTH', value: (cell) => cell.health, style: healthText },
    { title: 'ENDPOINT', value: (cell) => cell.endpoint ?? '–' },
  ])
  return `${formatPairs(pairs)}\n\n${cells}`
}
