/**
 * Open loop: requests are due at fixed times, whether or not earlier ones were answered, and latency counts from the
 * moment that a request was due (no coordinated omission). One that finds every connection busy waits, and its wait
 * counts.
 *
 * Timers are a millisecond coarse, so the loop looks at the clock between any two rounds of events; its core is busy
 * all the time, and the upstreams share it. How late requests with a free connection were sent is measured too: it is
 * the generator's own part of the latency, the same for every contestant.
 */
import { createAnswerReader } from './answer-reader.ts'
import type { RequestSource } from './requests.ts'
import { connectTo, type Target } from './target.ts'

export type OpenLoop = {
  target: Target
  connections: number
  requestsPerSecond: number
  warmUpMs: number
  measureMs: number
}

export type Latencies = {
  answered: number
  p50Us: number
  p99Us: number
  /** How late requests were sent that had a connection to be sent on. */
  lagP99Us: number
  /** Answers a second in the stretch that was measured: less than was asked for, when the proxy cannot keep up. */
  achievedPerSecond: number
}

type Line = { isBusy: boolean; dueAt: number; send(dueAt: number): void; close(): void }

export async function runOpenLoop(loop: OpenLoop, source: RequestSource): Promise<Latencies> {
  const intervalMs = 1000 / loop.requestsPerSecond
  const total = Math.ceil((loop.warmUpMs + loop.measureMs) / intervalMs)
  const firstMeasured = Math.floor(loop.warmUpMs / intervalMs)
  const latencies: number[] = []
  const lags: number[] = []
  const free: Line[] = []
  const lines: Line[] = []
  let answered = 0
  let sent = 0
  let startedAt = 0
  let onDone: () => void = () => {}

  const dueAt = (request: number) => startedAt + request * intervalMs

  /** Sends on this line what is due; false when nothing is. */
  function sendDue(line: Line, now: number, wasFree: boolean): boolean {
    if (sent === total || dueAt(sent) > now) return false
    if (wasFree && sent >= firstMeasured) lags.push(now - dueAt(sent))
    line.send(dueAt(sent++))
    return true
  }

  function openLine(): Promise<void> {
    return new Promise((resolve) => {
      const reader = createAnswerReader()
      let tenant = 0
      const socket = connectTo(
        loop.target,
        () => resolve(),
        (bytes, buffer) => {
          const cell = reader.take(bytes, buffer)
          if (cell < 0) return
          source.check(tenant, cell)
          const now = performance.now()
          if (line.dueAt >= dueAt(firstMeasured)) latencies.push(now - line.dueAt)
          line.isBusy = false
          if (++answered === total) onDone()
          else if (!sendDue(line, now, false)) free.push(line)
        },
      )
      socket.once('close', () => {
        if (line.isBusy) throw new Error('the proxy closed a connection before it had answered')
      })
      const line: Line = {
        isBusy: false,
        dueAt: 0,
        send(due) {
          tenant = source.nextTenant()
          line.isBusy = true
          line.dueAt = due
          socket.write(source.texts[tenant]!, 'latin1')
        },
        close: () => socket.destroy(),
      }
      lines.push(line)
    })
  }

  await Promise.all(Array.from({ length: loop.connections }, openLine))
  free.push(...lines)
  startedAt = performance.now()
  await new Promise<void>((resolve) => {
    onDone = resolve
    const look = () => {
      const now = performance.now()
      while (free.length > 0 && sendDue(free.at(-1)!, now, true)) free.pop()
      if (sent < total) setImmediate(look)
    }
    look()
  })
  const seconds = (performance.now() - dueAt(firstMeasured)) / 1000
  for (const line of lines) line.close()
  return {
    answered,
    p50Us: percentileUs(latencies, 0.5),
    p99Us: percentileUs(latencies, 0.99),
    lagP99Us: percentileUs(lags, 0.99),
    achievedPerSecond: latencies.length / seconds,
  }
}

/** Of milliseconds. */
function percentileUs(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 1000)
}
