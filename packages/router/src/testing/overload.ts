/**
 * An overload in the small: cells whose work is a sleep, so that a busy processor is not what is measured, and open-loop
 * load, since callers do not slow down because a cell does. Everything runs in this process.
 */

import type { ServerResponse } from 'node:http'
import { Agent } from 'node:http'
import { send } from './client.ts'
import type { FakeCell } from './fake-cell.ts'

/**
 * Makes a cell work on so many requests at once, each for so long, first come first served, and queue all others.
 * `peak`: the most that it had under way.
 */
export function makeSleepingCell(cell: FakeCell, workers: number, serviceMs: number): { peak: number } {
  const queue: ServerResponse[] = []
  const seen = { peak: 0 }
  let busy = 0
  const next = () => {
    while (busy < workers && queue.length > 0) {
      const response = queue.shift()!
      busy++
      setTimeout(() => {
        busy--
        response.end('done')
        next()
      }, serviceMs)
    }
  }
  cell.answer = (_seen, response) => {
    queue.push(response)
    seen.peak = Math.max(seen.peak, busy + queue.length)
    next()
  }
  return seen
}

/** The tenants take turns. */
export type Stream = {
  tenants: readonly string[]
  perSecond: number
  headers?: readonly string[]
  path?: string
}

export type StreamOutcome = {
  offered: number
  /** By status: latencies in ms, in the order of the answers. */
  latencies: Map<number, number[]>
}

export type Overload = {
  port: number
  streams: Record<string, Stream>
  /** What is sent in it is not counted. */
  warmUpMs: number
  measureMs: number
}

/** A finer clock than this costs more than it tells. */
const STEP_MS = 5

/** Sends all streams side by side, at even distances; resolves when every answer is there. */
export async function runOverload<Name extends string>(
  overload: Overload & { streams: Record<Name, Stream> },
): Promise<Record<Name, StreamOutcome>> {
  const { port, streams, warmUpMs, measureMs } = overload
  const agent = new Agent({ keepAlive: true })
  const underWay = new Set<Promise<void>>()
  const all = (Object.entries(streams) as [Name, Stream][]).map(([name, stream]) => ({
    name,
    stream,
    sent: 0,
    outcome: { offered: 0, latencies: new Map<number, number[]>() } satisfies StreamOutcome,
  }))
  const startedAt = performance.now()

  async function sendOne({ stream, outcome, sent }: (typeof all)[number]): Promise<void> {
    const sentAt = performance.now()
    const isCounted = sentAt - startedAt >= warmUpMs
    if (isCounted) outcome.offered++
    const headers = ['x-tenant', stream.tenants[sent % stream.tenants.length]!, ...(stream.headers ?? [])]
    const { status } = await send(port, { path: stream.path ?? '/home-only/work', headers, agent })
    if (!isCounted) return
    const latencies = outcome.latencies.get(status) ?? []
    latencies.push(performance.now() - sentAt)
    outcome.latencies.set(status, latencies)
  }

  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - startedAt
      for (const one of all) {
        const due = Math.floor((Math.min(elapsed, warmUpMs + measureMs) / 1000) * one.stream.perSecond)
        for (; one.sent < due; one.sent++) {
          const sending = sendOne(one).finally(() => underWay.delete(sending))
          underWay.add(sending)
        }
      }
      if (elapsed < warmUpMs + measureMs) return
      clearInterval(timer)
      resolve()
    }, STEP_MS)
  })
  await Promise.all(underWay)
  agent.destroy()
  return Object.fromEntries(all.map(({ name, outcome }) => [name, outcome])) as Record<Name, StreamOutcome>
}

/** Answers a second that came in time. Late ones are of no use to who waited. */
export function goodputOf({ latencies }: StreamOutcome, measureMs: number, deadlineMs: number): number {
  const inTime = (latencies.get(200) ?? []).filter((ms) => ms <= deadlineMs)
  return (inTime.length * 1000) / measureMs
}

export function percentile(values: readonly number[], share: number): number {
  return Float64Array.from(values).sort()[Math.floor(values.length * share)] ?? Number.NaN
}
