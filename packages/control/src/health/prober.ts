/**
 * Active probes: asks each cell the same question at an interval and keeps what the answers come to (`nextProbeState`).
 * What is asked is `ask`: the health path (`health-path.ts`), or a real write (`synthetic-tenant.ts`).
 *
 * A round asks all cells, a bounded number at once; the next begins an interval after it began, or when it is over. A
 * cell's state is forgotten with its endpoint: a cell that moved is a new question, and is asked at once rather than by
 * the next round, because a new cell waits for nothing else.
 */
import type { HealthPolicy } from '@cellplane/contract/fleet-file'
import { nextProbeState, type ProbeResult, type ProbeState, UNPROBED } from '@cellplane/core'

/** Probes at once: enough for 1,000 cells a second at 50 ms each, few enough not to be a load by itself. */
const PROBES_AT_ONCE_MAX = 64

export type ProbeTarget = { slot: number; id: string; endpoint: string }

/** Never rejects: what goes wrong is a result. Ends within a bound of its own. */
export type Ask = (target: ProbeTarget, stopping: AbortSignal) => Promise<ProbeResult>

export type ProberPolicy = Pick<HealthPolicy, 'interval_ms' | 'unhealthy_after' | 'healthy_after'>

export type Prober = ReturnType<typeof startProber>

/** `onChange` is called when a cell's health became another one. */
export function startProber(policy: ProberPolicy, ask: Ask, now: () => number, onChange: () => void) {
  let targets: readonly ProbeTarget[] = []
  let states = new Map<number, { endpoint: string; state: ProbeState }>()
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  async function probe(target: ProbeTarget): Promise<void> {
    const { slot, endpoint } = target
    const result = await ask(target, stopping.signal)
    const before = states.get(slot)
    if (stopping.signal.aborted || before?.endpoint !== endpoint) return
    const state = nextProbeState(before.state, result, policy, now())
    states.set(slot, { endpoint, state })
    if (state.health !== before.state.health) onChange()
  }

  async function probeEach(asked: readonly ProbeTarget[]): Promise<void> {
    const queue = [...asked]
    const work = async () => {
      for (let target = queue.pop(); target; target = queue.pop()) await probe(target)
    }
    await Promise.all(Array.from({ length: Math.min(PROBES_AT_ONCE_MAX, queue.length) }, work))
  }

  async function round(): Promise<void> {
    const startedAt = performance.now()
    await probeEach(targets)
    if (stopping.signal.aborted) return
    timer = setTimeout(loop, Math.max(0, policy.interval_ms - (performance.now() - startedAt)))
  }

  let running = Promise.resolve()
  function loop(): void {
    running = round()
  }
  loop()

  let newcomers = Promise.resolve()
  async function askNewcomers(next: readonly ProbeTarget[]): Promise<void> {
    await newcomers
    await probeEach(next)
  }

  return {
    setTargets(next: readonly ProbeTarget[]): void {
      const isKnown = ({ slot, endpoint }: ProbeTarget) => states.get(slot)?.endpoint === endpoint
      const coming = next.filter((target) => !isKnown(target))
      targets = next
      states = new Map(
        next.map((target) => {
          const { slot, endpoint } = target
          return [slot, isKnown(target) ? states.get(slot)! : { endpoint, state: UNPROBED }]
        }),
      )
      if (coming.length > 0 && !stopping.signal.aborted) newcomers = askNewcomers(coming)
    },
    stateOf: (slot: number): ProbeState => states.get(slot)?.state ?? UNPROBED,
    async stop(): Promise<void> {
      stopping.abort()
      clearTimeout(timer)
      await Promise.all([running, newcomers])
    },
  }
}
