/**
 * The worker: takes due notifications, hands each to its channel's provider, writes down what came of it.
 *
 *   wait ──hint, timer or free hands──▶ lease a batch ──▶ deliver each by itself ──▶ record ──▶ hands are free again
 *
 * At least once: an attempt is written down after it was made, so a worker that dies in between makes its notification be
 * delivered again when the lease runs out. The delivery key lets the provider see that it is the same one.
 */
import { randomUUID } from 'node:crypto'
import type { TraceContext, Tracing } from '@cellplane/cell/process'
import type { Provider } from '../providers/provider.ts'
import type { Job, Outcome } from '../store/queue.ts'
import { queueSpan } from '../store/queue-span.ts'
import type { WorkerConfig } from './config.ts'
import { verdictOf, verdictWithout } from './outcome.ts'
import type { Recorder } from './recorder.ts'

export type DeliveryParts = {
  config: Pick<WorkerConfig, 'retry' | 'concurrency' | 'lookIntervalMs'>
  /** Of a channel; of one tenant it may be another. */
  providerOf: (job: Pick<Job, 'tenant' | 'channel'>) => Provider
  lease: (limit: number, lease: string) => Promise<Job[]>
  recorder: Recorder
  tracing: Pick<Tracing, 'span'>
  /** Resolves when there may be work, after `waitMs`, or when the signal aborts. */
  waitForWork: (waitMs: number, signal: AbortSignal) => Promise<void>
  /** `trace`: that of the request that the job came with, and a span of this attempt. */
  onOutcome: (job: Job, outcome: Outcome, trace: TraceContext) => void
  /** The queue could not be read; it is tried again. */
  onError: (error: unknown) => void
}

/** Runs until the signal aborts, then until what is in hand is delivered and written down. Never rejects. */
export async function runDeliveries(parts: DeliveryParts, stop: AbortSignal): Promise<void> {
  const { concurrency, lookIntervalMs } = parts.config
  const inHand = new Set<Promise<void>>()

  while (!stop.aborted) {
    const free = concurrency - inHand.size
    const lease = randomUUID()
    const jobs = await parts.lease(free, lease).catch((error): Job[] => {
      parts.onError(error)
      return []
    })
    for (const job of jobs) {
      const done: Promise<void> = deliver(parts, job, lease).finally(() => inHand.delete(done))
      inHand.add(done)
    }
    if (inHand.size >= concurrency) await Promise.race(inHand)
    else if (jobs.length < free) await parts.waitForWork(lookIntervalMs, stop)
  }
  await Promise.all(inHand)
}

async function deliver(parts: DeliveryParts, job: Job, lease: string): Promise<void> {
  const outcome = await parts.tracing.span(queueSpan('process', job, job.traceparent), async (span) => {
    const outcome = await attempt(parts, job, lease, span.traceparent)
    span.set({ 'notifications.attempt': job.attempt, 'notifications.status': outcome.status })
    if (outcome.status !== 'delivered') span.fail(outcome.attempt?.outcome ?? outcome.status)
    parts.onOutcome(job, outcome, span.trace)
    return outcome
  })
  await parts.recorder.record(outcome)
}

async function attempt(parts: DeliveryParts, job: Job, lease: string, traceparent: string): Promise<Outcome> {
  const { retry } = parts.config
  const named = { tenant: job.tenant, id: job.id, lease, number: job.attempt }
  const without = verdictWithout(job, retry)
  if (without) return { ...named, ...without, attempt: undefined }
  const startedAt = new Date()
  const begun = performance.now()
  const result = await parts.providerOf(job).send(job, traceparent)
  const durationMs = Math.round(performance.now() - begun)
  const { outcome, detail } = result
  const verdict = verdictOf(result, job.attempt, retry, Math.random())
  return { ...named, ...verdict, attempt: { startedAt, durationMs, outcome, detail } }
}
