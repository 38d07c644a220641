/** A placement plan for people: what moves, what every cell has then, what it does to the blast radius, and how to apply it. */
import type { PlacementPlan, PlannedCell } from '@cellplane/contract/api'
import { count, percent } from './print.ts'
import { printableLine } from './printable.ts'
import { type Column, formatPairs, formatTable } from './table.ts'

const share = (value: number | null) => (value === null ? '–' : percent(value))

/** What each cell carries of the observed traffic, what it will, and what it is meant for. */
const LOADS: readonly Column<PlannedCell>[] = [
  { title: 'LOAD', value: (cell) => share(cell.load_before), align: 'right' },
  { title: 'THEN', value: (cell) => share(cell.load_after), align: 'right' },
  { title: 'PART', value: (cell) => share(cell.part), align: 'right' },
]

/** `again`: the command line that made it. */
export function formatPlacementPlan(plan: PlacementPlan, again: string, width?: number): string {
  const { moved, tenants, blast_radius: radius, exceeded } = plan
  const change = (before: number, after: number) =>
    before === after ? percent(before) : `${percent(before)} → ${percent(after)}`
  const more = tenants.count - tenants.named.length
  const named = tenants.named.length === 0 ? '' : `: ${tenants.named.join(', ')}`
  const pairs: [string, string][] = [
    ['plan', plan.plan ?? 'nothing moves'],
    ['places', `${moved.places} of ${moved.of_places} move, ${moved.homes} of ${moved.of_homes} homes`],
    [
      'traffic',
      plan.traffic_share === null ? 'none observed' : `${percent(plan.traffic_share)} gets another cell`,
    ],
    ['loads', `requests of the last ${plan.load_hours} h, the older the less they count`],
    ['tenants', `${count(tenants.count, 'registered tenant')}${named}${more > 0 ? ` and ${more} more` : ''}`],
    [
      'loss of a cell',
      `touches ${change(radius.before.worst_cell_touched, radius.after.worst_cell_touched)}, stops ${change(radius.before.worst_cell_lost, radius.after.worst_cell_lost)}`,
    ],
    ['loss of a pair', `stops ${change(radius.before.worst_pair_lost, radius.after.worst_pair_lost)}`],
    ['budget', exceeded.length === 0 ? 'within it' : exceeded.join('\n')],
  ]
  // A split or a merge is told without: three columns of dashes would say that nothing was observed.
  const hasLoads = plan.cells.some(({ load_before: load }) => load !== null)
  const cells = formatTable(
    plan.cells,
    [
      { title: 'CELL', value: (cell) => cell.id },
      { title: 'PLACES', value: (cell) => arrow(cell.places_before, cell.places_after), align: 'right' },
      { title: 'WEIGHT', value: (cell) => arrow(cell.weight_before, cell.weight_after), align: 'right' },
      ...(hasLoads ? LOADS : []),
      { title: 'NOTE', value: (cell) => (cell.drains ? 'drains' : ''), isFlexible: true },
    ],
    width,
  )
  const migrations = plan.would_migrate.map(
    ({ tenant, from, to }) => `would migrate: ${tenant} from ${from} to ${to}`,
  )
  const lines = [...plan.notes, ...migrations].map(printableLine)
  const force = exceeded.length > 0 ? ' --force' : ''
  const how = plan.plan === null ? [] : [`apply it: ${again} --apply ${plan.plan}${force} --reason "…"`]
  const blocks = [formatPairs(pairs), cells, lines.join('\n'), how.join('\n')]
  return blocks.filter((block) => block !== '').join('\n\n')
}

function arrow(before: number, after: number): string {
  return before === after ? String(before) : `${before} → ${after}`
}
