/** A fleet's plan in words and tables. */
import { count, percent } from '../output/print.ts'
import { bad, bold, good, warning } from '../output/style.ts'
import { formatTable } from '../output/table.ts'
import type { FleetPlan } from './fleet-plan.ts'

/** A fleet of hundreds is summed up, not listed. */
const CELLS_LISTED_MAX = 32

export function formatPlan(plan: FleetPlan): string {
  return [heading(plan), cells(plan), blast(plan), sizing(plan), lints(plan)]
    .filter((part) => part !== '')
    .join('\n\n')
}

function heading({ fleet, kind, cells, quarantine, placement }: FleetPlan): string {
  const absorber = quarantine === null ? 'no quarantine cell' : `quarantine cell "${quarantine}"`
  return [
    `${bold(fleet)}  ${kind}, ${count(cells.length, 'cell')}, ${absorber}`,
    `${placement.buckets} buckets of ${count(placement.shard_size, 'cell')}, ${placement.distinct_shards} different shards; two tenants share all of their cells with a chance of ${percent(placement.full_overlap)}`,
    ...placement.notes.map((note) => `note: ${note}`),
  ].join('\n')
}

function cells({ cells }: FleetPlan): string {
  const table = formatTable(cells.slice(0, CELLS_LISTED_MAX), [
    { title: 'CELL', value: (cell) => cell.id },
    { title: 'ZONE', value: (cell) => cell.zone },
    { title: 'WEIGHT', value: (cell) => String(cell.weight), align: 'right' },
    { title: 'PLACES', value: (cell) => percent(cell.places), align: 'right' },
    { title: 'HOMES', value: (cell) => percent(cell.homes), align: 'right' },
  ])
  const more = cells.length - CELLS_LISTED_MAX
  return more > 0 ? `${table}\n… and ${more} more` : table
}

function blast({ blast_radius: radius }: FleetPlan): string {
  const lines = [bold('Blast radius'), `  counted over ${radius.count} ${radius.counted_over}`]
  const { worst_cell: cell, worst_pair: pair, ideal } = radius
  if (cell) {
    lines.push(
      `  losing ${cell.cells.join()} touches ${percent(cell.tenants_touched)} of tenants (ideal ${percent(ideal.cell_touched)}) and loses ${percent(cell.tenants_lost)}`,
    )
  }
  if (pair) {
    lines.push(
      `  losing ${pair.cells.join(' and ')} loses ${percent(pair.tenants_lost)} of tenants (ideal ${percent(ideal.pair_lost)})`,
    )
  }
  return lines.join('\n')
}

function sizing({ sizing }: FleetPlan): string {
  if (sizing === null) return `${bold('Sizing')}\n  nothing to size by: the fleet file has no "sizing"`
  const findings = sizing.findings.map(
    ({ isWarning, text }) => `  ${isWarning ? warning('!') : good('✓')} ${text}`,
  )
  return [bold('Sizing'), ...findings].join('\n')
}

function lints({ lints }: FleetPlan): string {
  if (lints.length === 0) return `${bold('Partition key')}\n  ${good('✓')} nothing to object to`
  const lines = lints.map(({ severity, code, path, message }) => {
    const mark = severity === 'error' ? bad('error') : warning('warning')
    return `  ${mark} ${code} at ${path}: ${message}`
  })
  return [bold('Partition key'), ...lines].join('\n')
}
