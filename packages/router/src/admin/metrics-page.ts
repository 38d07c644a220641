/**
 * The Prometheus page: which figures of the router it shows, read from the counters as they are. No registry, nothing to
 * register, nothing on the request path. A series for each cell, never one for a tenant, whose number has no bound.
 */
import { SATURATION_SHARES } from '@cellplane/contract'
import { type Cell, DURATION_BOUNDS_S } from '../cells/cell.ts'
import { monotonicNow } from '../clock.ts'
import { inFlightCeiling } from '../decision/admission.ts'
import type { StoreState } from '../documents/object-store-source.ts'
import type { HoldCounts } from '../serve/holds.ts'
import { counter, gauge, histogram, one, type Sample } from './metrics-text.ts'
import type { RouterState } from './router-state.ts'
import { reloadedOf, tlsStatus } from './tls-status.ts'

export function formatMetrics(state: RouterState): string {
  return [
    ...cellMetrics(state),
    ...processMetrics(state),
    ...shareMetrics(state),
    ...tlsMetrics(state),
    ...documentMetrics(state),
    ...spanMetrics(state),
  ].join('')
}

function cellMetrics({ cells }: RouterState): string[] {
  const list = cells.arrays.cells
  const perCell = (value: (cell: Cell) => number) =>
    list.map((cell): Sample => [{ cell: cell.id }, value(cell)])
  const byClass = list.flatMap(({ id, counters }) =>
    Array.from(
      counters.attempts,
      (count, digit): Sample => [{ cell: id, code_class: CODE_CLASSES[digit]! }, count],
    ),
  )
  const fitness = perCell(({ index }) => cells.arrays.fitness[index]! / 255)
  const ejected = perCell(({ index }) => Number(cells.isEjected(index)))
  const marked = perCell(({ index }) => Number(cells.isMarked(index)))
  const connectFailures = perCell(({ counters }) => counters.connectFailures)
  return [
    counter('requests_total', 'Attempts by cell; failed: ended without an answer.', byClass),
    counter(
      'retries_total',
      'Second attempts sent to the cell.',
      perCell((cell) => cell.counters.retries),
    ),
    counter(
      'hedges_total',
      'Second attempts sent to the cell while a first one was slow elsewhere.',
      perCell((cell) => cell.counters.hedges),
    ),
    counter(
      'hedges_won_total',
      'Of those, the ones that answered first.',
      perCell((cell) => cell.counters.hedgesWon),
    ),
    counter('connect_failures_total', 'Connections that could not be made.', connectFailures),
    counter(
      'shed_total',
      'Requests that the cell’s ceiling turned away.',
      perCell((cell) => cell.counters.shed),
    ),
    counter(
      'ejections_total',
      'Ejections of the cell by this router.',
      perCell((cell) => cell.counters.ejections),
    ),
    counter(
      'cell_crashes_total',
      'Times that the cell went away with requests of this router under way.',
      perCell((cell) => cell.counters.crashes),
    ),
    gauge(
      'cell_in_flight',
      'Requests under way at the cell.',
      perCell((cell) => cell.inFlight),
    ),
    gauge(
      'cell_in_flight_max',
      'Requests that may be under way at the cell: its ceiling, or the adaptive limit below it, which answers that have begun do not fill.',
      perCell(inFlightCeiling),
    ),
    gauge(
      'cell_share',
      'Of the cell’s declared ceilings, this process’s: 1 when they are not divided.',
      perCell((cell) => cell.share),
    ),
    gauge('cell_ejected', '1 while this router has ejected the cell.', ejected),
    gauge('cell_marked_unhealthy', '1 while a health mark of the overlay is followed.', marked),
    gauge('cell_fitness', 'Share of its requests that the cell is given, 0 to 1.', fitness),
    histogram(
      'request_duration_seconds',
      'From sending until the head of the answer.',
      DURATION_BOUNDS_S,
      list.map(({ id, counters }) => ({ id, counts: counters.durations, sum: counters.durationSumS })),
    ),
    // Without a sum: it would take a division for each request, and the mean of how full a cell was says little.
    histogram(
      'cell_saturation_ratio',
      'Requests by how full they found the cell, as a share of the limit in force; +Inf: those that its ceilings turned away.',
      SATURATION_SHARES,
      list.map(({ id, counters }) => ({ id, counts: counters.saturation })),
    ),
  ]
}

/** By the first digit of a status; at 0, attempts without an answer. */
const CODE_CLASSES = ['failed', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

function processMetrics(state: RouterState): string[] {
  const { crashes, traffic, verifier, holds, reporter } = state
  const refused = Array.from(traffic.refusals, ([code, count]): Sample => [{ code }, count])
  const lacking = Array.from(traffic.localFailures, ([reason, count]): Sample => [{ reason }, count])
  return [
    gauge('in_flight', 'Requests under way in this process.', one(traffic.inFlight)),
    counter('received_total', 'Requests received.', one(traffic.requests)),
    counter('failed_open_total', 'Requests without a key, routed by their source.', one(traffic.failedOpen)),
    counter('refused_total', 'Requests that the router answered itself with a problem.', refused),
    counter(
      'local_failures_total',
      'Connections to cells that this process could not open, by the system’s reason; no cell is blamed.',
      lacking,
    ),
    ...holdMetrics(holds()),
    gauge(
      'tenants_quarantined',
      'Tenants that the overlay has in quarantine, diverted or throttled.',
      one(state.currentTopology()?.overlay?.quarantined.length ?? 0),
    ),
    gauge('tenants_suspended', 'Tenants kept from their cells at present.', one(crashes.suspensions.length)),
    counter(
      'tenant_suspensions_total',
      'Tenants whose requests were under way at several crashes.',
      one(crashes.suspensionCount),
    ),
    gauge('tokens_cached', 'Verified tokens that are remembered.', one(verifier.cachedCount)),
    counter('reports_dropped_total', 'Reports that the control plane did not take.', one(reporter.dropped)),
    ...objectStoreMetrics(state.objectStore()),
  ]
}

function objectStoreMetrics(store: Readonly<StoreState> | null): string[] {
  if (!store) return []
  return [
    counter(
      'object_store_failures_total',
      'Looks at the object store of the topology that came to nothing: it could not be asked, or lacks what its pointer names.',
      one(store.failures),
    ),
  ]
}

function holdMetrics(holds: HoldCounts | null): string[] {
  if (!holds) return []
  const outcomes = Object.entries(holds.outcomes).map(([outcome, count]): Sample => [{ outcome }, count])
  return [
    gauge('held_requests', 'Requests that wait while their tenant’s home is switched.', one(holds.waiting)),
    gauge('held_bytes', 'What is kept of them.', one(holds.bytes)),
    gauge('held_tenants', 'Tenants that have requests waiting.', one(holds.tenants)),
    counter('holds_total', 'What became of such requests; no-room: they could not wait.', outcomes),
  ]
}

function spanMetrics({ spans }: RouterState): string[] {
  if (!spans) return []
  return [
    counter('spans_exported_total', 'Spans that the receiver took.', one(spans.exported)),
    counter('spans_dropped_total', 'Spans that it did not take, or that found no room.', one(spans.dropped)),
  ]
}

function shareMetrics({ shares, reporter }: RouterState): string[] {
  const { inForce } = shares
  return [
    gauge(
      'limits_divided_between',
      'Router processes that limits are divided between; 0 while each limit holds in whole.',
      one(inForce?.routers ?? 0),
    ),
    gauge('tenants_divided', 'Tenants whose cap is divided.', one(inForce?.tenants.size ?? 0)),
    counter(
      'shares_refused_total',
      'Answers to reports that were no shares; the last good ones stay.',
      one(reporter.refusedShares),
    ),
    ...(inForce
      ? [
          gauge(
            'shares_age_seconds',
            'Time since the shares were told.',
            one((monotonicNow() - inForce.toldAt) / 1000),
          ),
        ]
      : []),
  ]
}

function tlsMetrics(state: RouterState): string[] {
  const tls = tlsStatus(state)
  if (!tls) return []
  const notAfter = tls.certificates.map(
    ({ field, not_after }): Sample => [{ certificate: field }, Date.parse(not_after) / 1000],
  )
  const reloads = reloadedOf(state).flatMap(([files, { reloads, refused }]): Sample[] => [
    [{ files, outcome: 'taken' }, reloads],
    [{ files, outcome: 'refused' }, refused],
  ])
  return [
    gauge('tls_certificate_not_after_seconds', 'When the certificate expires, since the epoch.', notAfter),
    counter('tls_reloads_total', 'Files of TLS read anew; refused: the old ones stay.', reloads),
    gauge('tls_handshakes', 'Handshakes under way.', one(tls.handshakes)),
    counter(
      'tls_handshakes_failed_total',
      'Handshakes that failed or took too long.',
      one(tls.failed_handshakes),
    ),
    counter(
      'tls_handshakes_refused_total',
      'Connections beyond handshakes_max.',
      one(tls.refused_handshakes),
    ),
    counter('http2_reset_floods_total', 'Clients sent away for resetting streams.', one(tls.reset_floods)),
  ]
}

function documentMetrics({ refusals, currentTopology }: RouterState): string[] {
  const topology = currentTopology()
  const documents = { base: topology?.snapshot.base, overlay: topology?.overlay }
  const held = Object.entries(documents).flatMap(([document, value]) =>
    value ? [{ document, ...value }] : [],
  )
  const perDocument = (value: (document: (typeof held)[number]) => number) =>
    held.map((entry): Sample => [{ document: entry.document }, value(entry)])
  const refused = Object.entries(refusals.counts).map(([document, count]): Sample => [{ document }, count])
  const age = perDocument(({ issued_at }) => (Date.now() - Date.parse(issued_at)) / 1000)
  return [
    counter('refused_documents_total', 'Documents that were refused; the last good one stays.', refused),
    gauge(
      'topology_epoch',
      'Epoch of the document that is followed.',
      perDocument(({ epoch }) => epoch),
    ),
    gauge(
      'topology_version',
      'Version of the document that is followed.',
      perDocument(({ version }) => version),
    ),
    gauge('topology_age_seconds', 'Time since the document was issued.', age),
  ]
}
