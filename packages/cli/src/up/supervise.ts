/**
 * Keeps one process of the fleet running.
 *
 *     launching ──started──▶ running ──ended──▶ waiting ──backoff over──▶ launching
 *     launching ──failed───▶ waiting
 *     any ──stop()──▶ stopping ──▶ stopped
 *
 * The wait doubles with each end in a row, up to 5 s, and begins anew once a process has run for 10 s: a plane that
 * cannot come up (its port is taken, say) is tried for as long as the fleet runs, at a bounded rate. Only whoever waits
 * for the first start gives up, by `failures`.
 *
 * What runs is written down (pid and start time), so that the next `up` can end what a killed one left.
 */
import { rm } from 'node:fs/promises'
import { identify, writeAtomically } from '@cellplane/host'
import { pause } from '../pause.ts'

export type Launched = {
  pid: number
  /** Resolves with how it ended, in words; never rejects. */
  ended: Promise<ProcessEnd>
  /** Asks, waits, and ends it for good. Bounded. */
  stop(): Promise<void>
  /** Ends it at once. */
  kill(): void
}

export type ProcessEnd = {
  how: string
  /** Another try would end the same way: its configuration is refused. */
  isHopeless: boolean
}

export type Supervised = {
  name: string
  pid(): number | undefined
  /** Ends in a row, without ten good seconds between. */
  failures(): number
  /** How it ended last. */
  lastEnd(): ProcessEnd | undefined
  stop(): Promise<void>
  kill(): void
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 5_000
const STABLE_AFTER_MS = 10_000

export type SuperviseOptions = {
  name: string
  launch: (signal: AbortSignal) => Promise<Launched>
  recordFile: string
  /** Told about every end that nobody asked for. */
  onEnd: (end: ProcessEnd) => void
}

export function supervise({ name, launch, recordFile, onEnd }: SuperviseOptions): Supervised {
  const stopping = new AbortController()
  let current: Launched | undefined
  let failures = 0
  let lastEnd: ProcessEnd | undefined

  const runOnce = async (): Promise<ProcessEnd> => {
    try {
      current = await launch(stopping.signal)
    } catch (error) {
      return { how: (error as Error).message, isHopeless: false }
    }
    await writeRecord(recordFile, current.pid)
    if (stopping.signal.aborted) await current.stop()
    return await current.ended
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const begunAt = performance.now()
      lastEnd = await runOnce()
      current = undefined
      if (stopping.signal.aborted) return
      failures = performance.now() - begunAt > STABLE_AFTER_MS ? 1 : failures + 1
      onEnd(lastEnd)
      await pause(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1)), stopping.signal)
    }
  }

  const running = run()
  return {
    name,
    pid: () => current?.pid,
    failures: () => failures,
    lastEnd: () => lastEnd,
    async stop() {
      stopping.abort()
      await current?.stop()
      await running
      await rm(recordFile, { force: true })
    },
    kill() {
      stopping.abort()
      current?.kill()
    },
  }
}

/** A convenience for the next `up`; a full disk is no reason not to run. */
async function writeRecord(file: string, pid: number): Promise<void> {
  await writeAtomically(file, `${JSON.stringify(identify(pid) ?? { pid, startedAt: '' })}\n`).catch(() => {})
}
