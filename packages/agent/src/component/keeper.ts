/**
 * Keeps one process of a cell running: a component, or the cell's PostgreSQL.
 *
 *   waiting ──launched──▶ starting ──first healthy check──▶ running
 *      │ ▲                   │ ended, or not healthy for startMaxMs    │ ended, or not healthy for unhealthyMaxMs
 *      │ └── next try ──┐    ▼                                         ▼
 *      └─ cannot be ──▶ failed      backing-off ◀──────────────────────┘
 *         launched                      └── next try, as from `waiting`
 *
 *   any ──stop()──▶ stopping ──nothing of it is left──▶ stopped
 *
 * `failed` is a start that did not come to be (a taken port, a missing program): it needs a person, yet is tried
 * again, because a person may mend it elsewhere. `backing-off` is a process that ran and ended. Both wait 100 ms,
 * doubling to 5 s; a process that ran for stableMs begins again at 100 ms.
 *
 * A process that an earlier agent left running is adopted and enters at `starting`. A check that fails while the
 * component is excused (its database is down) does not count towards a restart: restarting it would mend nothing, and
 * it reconnects by itself.
 */
import type { ComponentStatus } from '@cellplane/contract'
import type { Logger } from 'pino'
import { backoffMs, RESTART_BACKOFF } from '../backoff.ts'
import type { KeptProcess } from '../process/kept-process.ts'
import { pause } from '../wake.ts'

export type KeeperOptions = {
  name: string
  log: Logger
  /** A process that runs already; undefined when there is none. */
  adopt(): Promise<KeptProcess | undefined>
  /** Starts it, or throws with what stands in the way. `enter` tells of a phase before the process runs. */
  launch(signal: AbortSignal, enter: (phase: 'waiting' | 'bootstrapping') => void): Promise<KeptProcess>
  /** Why the running process is not healthy, or undefined. Bounds itself. */
  check(signal: AbortSignal): Promise<string | undefined>
  checkEveryMs: number
  isExcused(): boolean
  onChange(): void
  /** For tests: other times than the constants below. */
  timing?: Partial<typeof TIMING>
}

export type KeeperStatus = Omit<ComponentStatus, 'name' | 'port'>

const TIMING = {
  backoff: RESTART_BACKOFF,
  /** A big framework on a cold disk and a busy machine takes a minute to its first answer. */
  startMaxMs: 120_000,
  /** Ten failed probes of a router's or the control plane's are over by then: a restart is what is left to try. */
  unhealthyMaxMs: 30_000,
  /** What ran for so long and then ended did not end because of its start. */
  stableMs: 10_000,
  /** While it starts the cell counts as down until a check passes, so checks are close. */
  startingCheckEveryMs: 100,
  whenHealthyLookEveryMs: 20,
}

export class Keeper {
  readonly #options: KeeperOptions
  readonly #timing: typeof TIMING
  readonly #stopping = new AbortController()
  readonly #done: Promise<void>
  /** Why it was last restarted: worth seeing after it is well again. */
  #lastEnd: string | null = null
  #status: KeeperStatus = {
    phase: 'waiting',
    pid: null,
    restarts: 0,
    is_healthy: false,
    last_error: null,
  }

  /** Starts at once. */
  constructor(options: KeeperOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#done = this.#keep(this.#stopping.signal)
  }

  get status(): KeeperStatus {
    return this.#status
  }

  /** Resolves when it is healthy, or when `signal` aborts. */
  async whenHealthy(signal: AbortSignal): Promise<void> {
    while (!this.#status.is_healthy && !signal.aborted) {
      await pause(this.#timing.whenHealthyLookEveryMs, signal)
    }
  }

  /** Resolves when nothing of the process is left. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
  }

  async #keep(signal: AbortSignal): Promise<void> {
    let failures = 0
    let kept = await this.#try(() => this.#options.adopt())
    while (!signal.aborted) {
      kept ??= await this.#try(() => this.#options.launch(signal, (phase) => this.#enter({ phase })))
      if (signal.aborted) break
      if (kept === undefined) {
        failures++
        this.#enter({ phase: 'failed', is_healthy: false, pid: null })
        await pause(backoffMs(failures, this.#timing.backoff), signal)
        continue
      }
      const since = performance.now()
      const why = await this.#watch(kept, signal)
      if (signal.aborted) break
      this.#options.log.warn({ component: this.#options.name, why }, 'restarting')
      this.#lastEnd = why
      this.#enter({ phase: 'backing-off', is_healthy: false, pid: null, last_error: why })
      await this.#try(kept.stop)
      kept = undefined
      failures = performance.now() - since >= this.#timing.stableMs ? 1 : failures + 1
      this.#enter({ restarts: this.#status.restarts + 1 })
      await pause(backoffMs(failures, this.#timing.backoff), signal)
    }
    this.#enter({ phase: 'stopping', is_healthy: false })
    if (kept) await this.#try(kept.stop)
    this.#enter({ phase: 'stopped', pid: null })
  }

  /** Follows a running process until it has to be restarted; answers why. */
  async #watch(kept: KeptProcess, stopping: AbortSignal): Promise<string> {
    const over = new AbortController()
    let why = 'was stopped'
    void kept.ended.then(({ how }) => {
      why = how
      over.abort()
    })
    const signal = AbortSignal.any([stopping, over.signal])
    this.#enter({ phase: 'starting', pid: kept.pid })
    let maxMs = this.#timing.startMaxMs
    let healthyAt = performance.now()
    while (!signal.aborted) {
      const problem = await this.#options
        .check(signal)
        .catch((error: Error) => `the health check failed: ${error.message}`)
      if (signal.aborted) break
      if (problem === undefined) {
        maxMs = this.#timing.unhealthyMaxMs
        this.#enter({ phase: 'running', is_healthy: true, last_error: this.#lastEnd })
      } else {
        this.#enter({ is_healthy: false, last_error: problem })
      }
      if (problem === undefined || this.#options.isExcused()) healthyAt = performance.now()
      if (performance.now() - healthyAt > maxMs) return `was not healthy for ${maxMs / 1000} s: ${problem}`
      const isStarting = this.#status.phase === 'starting'
      await pause(isStarting ? this.#timing.startingCheckEveryMs : this.#options.checkEveryMs, signal)
    }
    return why
  }

  async #try<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      const message = (error as Error).message
      // The same words every five seconds would be all that the log holds.
      if (message !== this.#status.last_error && !this.#stopping.signal.aborted) {
        this.#options.log.error({ component: this.#options.name, err: error }, 'failed')
      }
      this.#enter({ last_error: message })
      return undefined
    }
  }

  #enter(change: Partial<KeeperStatus>): void {
    const before = this.#status
    this.#status = { ...before, ...change }
    const isChange = (Object.keys(change) as (keyof KeeperStatus)[]).some(
      (key) => before[key] !== change[key],
    )
    if (isChange) this.#options.onChange()
  }
}
