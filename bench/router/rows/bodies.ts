/**
 * Rows of large bodies: CPU time per MiB with 1 MiB bodies each way, and one body of 1 GiB, which must not be held in
 * memory: the proxy's peak is compared with what was resident before it.
 */
import type { Running } from '../contestants/contestant.ts'
import { peakRssBytes, resetPeakRss, rssBytes } from '../measure/process-usage.ts'
import { round } from '../measure/statistics.ts'
import { alternate } from './alternate.ts'
import { circumstances } from './requests.ts'
import { type Entry, entriesOf, type Finding, type Row, type RowContext, targetOf } from './row.ts'

type Direction = 'up' | 'down'

const MIB = 1024 * 1024
/** Enough to keep the proxy busy, few enough that their buffers stay in the cache. */
const BODY_CONNECTIONS = 8
const CONTESTANTS = ['cellplane', 'haproxy-cell', 'haproxy-bare', 'nginx-bare', 'http-proxy-3']

export const bodiesUp = bodyRow('bodies-up', 'up', 'request bodies of 1 MiB')
export const bodiesDown = bodyRow('bodies-down', 'down', 'answers of 1 MiB')
export const largeUp = largeRow('large-up', 'up', 'one request body of 1 GiB')
export const largeDown = largeRow('large-down', 'down', 'one answer of 1 GiB')

function bodyRow(name: string, direction: Direction, about: string): Row {
  return {
    name,
    about,
    compared: 'cpuUsPerMib',
    contestants: CONTESTANTS,
    run: (context) =>
      alternate(context, entriesOf(context), {
        warmUp: async (running, entry) => {
          const { compileMs, warmUpMs } = context.effort
          await transfer(
            context,
            running,
            entry,
            direction,
            entry.contestant.isJustInTime ? compileMs : warmUpMs,
          )
        },
        measure: (running, entry) => transfer(context, running, entry, direction, context.effort.measureMs),
      }),
  }
}

async function transfer(
  { generator, effort }: RowContext,
  running: Running,
  entry: Entry,
  direction: Direction,
  measureMs: number,
): Promise<Finding> {
  const measured = await generator.bodies({
    target: targetOf(running, entry),
    direction,
    bytes: MIB,
    connections: BODY_CONNECTIONS,
    warmUpMs: effort.warmUpMs,
    measureMs,
  })
  return { cpuUsPerMib: round(measured.cpuUsPerRequest, 1), ...circumstances(measured) }
}

function largeRow(name: string, direction: Direction, about: string): Row {
  return {
    name,
    about,
    compared: 'peakMb',
    contestants: CONTESTANTS,
    run: (context) =>
      alternate(context, entriesOf(context), {
        async measure(running, entry) {
          const { generator, effort } = context
          const pids = running.pids()
          resetPeakRss(pids)
          const before = rssBytes(pids)
          const measured = await generator.bodies({
            target: targetOf(running, entry),
            direction,
            bytes: effort.largeBodyBytes,
            connections: 1,
            warmUpMs: 0,
            measureMs: 0,
          })
          const peak = peakRssBytes(pids)
          return {
            peakMb: round(peak / 1e6, 1),
            grownMb: round((peak - before) / 1e6, 1),
            cpuUsPerMib: round((measured.cpuUsPerRequest * MIB) / effort.largeBodyBytes, 1),
            bodyMb: round(effort.largeBodyBytes / 1e6, 0),
          }
        },
      }),
  }
}
