/**
 * The Prometheus page, written from the counters as they are: no registry, nothing to register, nothing on the request
 * path. A series for each cell, never one for a tenant, whose number has no bound.
 */
import { type CellCounters, DURATION_BOUNDS_S } from '../cells/cell.ts'
import type { RouterState } from './router-state.ts'

type Labels = Record<string, string>
type Sample = [labels: Labels, value: number]

export function formatMetrics(state: RouterState): string {
  const { cells, traffic, refusals } = state
  const topology = state.currentTopology()
  const list = cells.arrays.cells
  const perCell = (value: (cell: (typeof list)[number]) => number): Sample[] =>
    list.map((cell) => [{ cell: cell.id }, value(cell)])

  const page = [
    metric(
      'requests_total',
      'counter',
      'Attempts by cell; failed: ended without an answer.',
      list.flatMap((cell) =>
        [...cell.counters.attempts].map(
          (count, digit): Sample => [
            { cell: cell.id, code_class: digit === 0 ? 'failed' : `${digit}xx` },
            count,
          ],
        ),
      ),
    ),
    metric(
      'retries_total',
      'counter',
      'Second attempts sent to the cell.',
      perCell((c) => c.counters.retries),
    ),
    metric(
      'connect_failures_total',
      'counter',
      'Connections that could not be made.',
      perCell((c) => c.counters.connectFailures),
    ),
    metric(
      'ejections_total',
      'counter',
      'How often this router ejected the cell.',
      perCell((c) => c.counters.ejections),
    ),
    metric(
      'cell_in_flight',
      'gauge',
      'Requests under way at the cell.',
      perCell((c) => c.inFlight),
    ),
    metric(
      'cell_ejected',
      'gauge',
      '1 while this router has ejected the cell.',
      perCell((c) => Number(cells.isEjected(c.index))),
    ),
    metric(
      'cell_marked_unhealthy',
      'gauge',
      '1 while the overlay’s health mark is followed.',
      perCell((c) => Number(cells.isMarked(c.index))),
    ),
    metric(
      'cell_fitness',
      'gauge',
      'Share of its requests that the cell is given, 0–1.',
      perCell((c) => cells.arrays.fitness[c.index]! / 255),
    ),
    durations(list),
    metric('in_flight', 'gauge', 'Requests under way in this process.', [[{}, traffic.inFlight]]),
    metric('received_total', 'counter', 'Requests received.', [[{}, traffic.requests]]),
    metric('failed_open_total', 'counter', 'Requests without a key, routed by their source address.', [
      [{}, traffic.failedOpen],
    ]),
    metric(
      'refused_total',
      'counter',
      'Requests that the router answered itself with a problem.',
      [...traffic.refusals].map(([code, count]): Sample => [{ code }, count]),
    ),
    metric('tokens_cached', 'gauge', 'Verified tokens that are remembered.', [
      [{}, state.verifier.cachedCount],
    ]),
    metric(
      'refused_documents_total',
      'counter',
      'Documents that were refused; the last good one stays.',
      Object.entries(refusals.counts).map(([document, count]): Sample => [{ document }, count]),
    ),
    metric('reports_dropped_total', 'counter', 'Reports that the control plane did not take.', [
      [{}, state.reportsDropped()],
    ]),
  ]
  if (topology) {
    const documents = [
      ['base', topology.snapshot.base],
      ['overlay', topology.overlay],
    ] as const
    const held = documents.flatMap(([document, value]) => (value ? [{ document, value }] : []))
    page.push(
      metric(
        'topology_epoch',
        'gauge',
        'Epoch of the document that is followed.',
        held.map((d) => [{ document: d.document }, d.value.epoch]),
      ),
      metric(
        'topology_version',
        'gauge',
        'Version of the document that is followed.',
        held.map((d) => [{ document: d.document }, d.value.version]),
      ),
      metric(
        'topology_age_seconds',
        'gauge',
        'Since the document was issued.',
        held.map((d) => [{ document: d.document }, (Date.now() - Date.parse(d.value.issued_at)) / 1000]),
      ),
    )
  }
  return page.join('')
}

function durations(cells: readonly { id: string; counters: CellCounters }[]): string {
  const buckets: Sample[] = []
  const sums: Sample[] = []
  const counts: Sample[] = []
  for (const { id: cell, counters } of cells) {
    let upTo = 0
    for (const [i, bound] of [...DURATION_BOUNDS_S, Number.POSITIVE_INFINITY].entries()) {
      upTo += counters.durations[i]!
      buckets.push([{ cell, le: bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound) }, upTo])
    }
    sums.push([{ cell }, counters.durationSumS])
    counts.push([{ cell }, upTo])
  }
  const name = 'request_duration_seconds'
  return (
    `# HELP cellplane_router_${name} From sending until the head of the answer.\n` +
    `# TYPE cellplane_router_${name} histogram\n` +
    samples(`${name}_bucket`, buckets) +
    samples(`${name}_sum`, sums) +
    samples(`${name}_count`, counts)
  )
}

function metric(name: string, type: 'counter' | 'gauge', help: string, values: Sample[]): string {
  return `# HELP cellplane_router_${name} ${help}\n# TYPE cellplane_router_${name} ${type}\n${samples(name, values)}`
}

/** Label values are cell ids, codes and our own words: none has a quote, a backslash or a line end. */
function samples(name: string, values: readonly Sample[]): string {
  return values
    .map(([labels, value]) => {
      const inner = Object.entries(labels)
        .map(([label, text]) => `${label}="${text}"`)
        .join(',')
      return `cellplane_router_${name}${inner === '' ? '' : `{${inner}}`} ${value}\n`
    })
    .join('')
}
