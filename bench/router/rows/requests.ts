/** Rows of small requests in a closed loop, compared by the proxy's CPU time: kept connections, and one for each request. */
import type { Running } from '../contestants/contestant.ts'
import type { Measured } from '../load/measurement.ts'
import type { Target } from '../load/target.ts'
import { round } from '../measure/statistics.ts'
import { CONNECTIONS } from '../workload.ts'
import { alternate } from './alternate.ts'
import { type Entry, entriesOf, type Finding, type Row, type RowContext, targetOf } from './row.ts'

export const keepAlive: Row = {
  name: 'keep-alive',
  about: `small requests over ${CONNECTIONS} kept connections`,
  compared: 'cpuUsPerRequest',
  contestants: [
    'cellplane',
    'haproxy-cell',
    'haproxy-cell-lean',
    'haproxy-bare',
    'haproxy-tcp',
    'nginx-bare',
    'http-proxy-3',
    'node-http',
  ],
  run: (context) =>
    alternate(context, entriesOf(context), {
      measure: (running, entry) => measureRequests(context, running, entry),
    }),
}

/** Not haproxy-tcp, which would open a connection to a cell for each as well: another job. */
export const newConnection: Row = {
  name: 'new-connection',
  about: 'a new connection for every small request',
  compared: 'cpuUsPerRequest',
  contestants: ['cellplane', 'haproxy-cell', 'haproxy-bare', 'nginx-bare', 'http-proxy-3'],
  run: (context) =>
    alternate(context, entriesOf(context), {
      measure: (running, entry) =>
        measureRequests(context, running, entry, { requests: 'header-closing' }, true),
    }),
}

export async function measureRequests(
  { generator, effort }: RowContext,
  running: Running,
  entry: Entry,
  target: Partial<Target> = {},
  isConnectionPerRequest = false,
): Promise<Finding> {
  const measured = await generator.closedLoop({
    target: targetOf(running, entry, target),
    connections: CONNECTIONS,
    warmUpMs: effort.warmUpMs,
    measureMs: effort.measureMs,
    isConnectionPerRequest,
  })
  return { cpuUsPerRequest: round(measured.cpuUsPerRequest, 3), ...circumstances(measured) }
}

/** What else is to be known of a measurement, to judge it by. */
export function circumstances(measured: Measured): Finding {
  return {
    requestsPerSecond: round(measured.requestsPerSecond, 0),
    proxyUtilisation: round(measured.proxyUtilisation, 3),
    clientUtilisation: round(measured.clientUtilisation, 3),
    coresTaken: round(measured.coresTaken, 3),
  }
}
