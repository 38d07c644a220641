/**
 * The world: virtual time, and the one queue of all that is going to happen in it.
 *
 * The code under simulation is the code that ships: async functions, timers, a clock, `fetch`. It runs here because the
 * process's own time is taken over (`takeover.ts`), and because of one rule: an event runs, then every promise that it
 * resolved runs to its end, and only then the next event. Nothing is left to the order in which a kernel answers.
 *
 *     pop the earliest event ─▶ its process is `current` ─▶ run it ─▶ run all microtasks ─▶ pop …
 *
 * A **process** is what a clock, a random stream and a set of timers belong to. When it is killed its events are not
 * run any more, so whatever it was waiting for never comes; that is what a crash is. A restart is another process.
 *
 * **Skipping.** Where nothing can change, days pass at once (`skip`): the wall clock jumps, monotonic clocks stand still, so
 * that nothing notices an age that it did not live through. `quiescence.ts` says when that is sound.
 */
import { createRandom, type Random } from './random.ts'

/** 2026-01-01T00:00:00Z. Any date will do, as long as it is always the same. */
const BEGIN = Date.UTC(2026, 0, 1)

/** Where a process runs, as far as the network is concerned: `router-1`, `cell-004`. */
export type Place = string

export type Process = {
  readonly place: Place
  readonly random: Random
  isAlive: boolean
  /** What its wall clock is off by. */
  skewMs: number
  /** When it was started: its monotonic clock counts from then, and its `timeOrigin` is what its wall clock said. */
  startedAt: number
  readonly timeOrigin: number
}

export type Task = { at: number; order: number; process: Process; run: () => void; isCancelled: boolean }

export type World = ReturnType<typeof createWorld>

/** Between two pauses for signals and output. */
const STEPS_BETWEEN_PAUSES = 20_000

/** The real ones: those of `globalThis` are the world's while it runs. */
const { setImmediate: pause, queueMicrotask: afterThis } = globalThis
const { nextTick } = process

export function createWorld(seed: number) {
  const random = createRandom(seed)
  const queue = createQueue()
  let now = 0
  let skippedMs = 0
  const outside = spawn('outside', 0)
  let orders = 0
  let steps = 0
  let current = outside

  function spawn(place: Place, skewMs: number): Process {
    return {
      place,
      random: random.fork(`${place} at ${now}`),
      isAlive: true,
      skewMs,
      startedAt: now,
      timeOrigin: BEGIN + now + skippedMs + skewMs,
    }
  }

  function schedule(owner: Process, delayMs: number, run: () => void): Task {
    const at = now + Math.max(0, Number.isFinite(delayMs) ? delayMs : 0)
    const task: Task = { at, order: orders++, process: owner, run, isCancelled: false }
    queue.push(task)
    return task
  }

  return {
    random,
    /** Belongs to nobody, and never dies: faults, operators, the observer. */
    outside,
    /** Ms of the world's own, monotonic time, which skips do not count in. */
    now: () => now,
    /** Ms that passed, skips included. */
    elapsed: () => now + skippedMs,
    /** The wall clock of the process that runs. */
    wall: () => Math.floor(BEGIN + now + skippedMs + current.skewMs),
    steps: () => steps,
    current: () => current,
    /** `performance.now` and `performance.timeOrigin` of the process that runs. */
    monotonic: () => now - current.startedAt,
    timeOrigin: () => current.timeOrigin,
    spawn,
    schedule,
    /** On behalf of the process that runs. Whatever goes on asynchronously has to be begun by an event of its own process. */
    later: (delayMs: number, run: () => void): Task => schedule(current, delayMs, run),
    /** Runs `run` now, as that process; for what ends when it returns. Promises go on as whoever was running. */
    as<T>(owner: Process, run: () => T): T {
      const before = current
      current = owner
      try {
        return run()
      } finally {
        current = before
      }
    },
    skip(ms: number): void {
      skippedMs += ms
    },
    /** Sets one process's monotonic clock forward, and nobody else's. */
    age(owner: Process, ms: number): void {
      owner.startedAt -= ms
    },
    /** Runs all that happens until then. Rejects with what an event throws: that is a bug, here or there. */
    runUntil(deadline: number): Promise<void> {
      return new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          current = outside
          settle()
        }
        function step(): void {
          const task = queue.peek()
          if (!task || task.at > deadline) {
            now = deadline
            end(resolve)
            return
          }
          queue.pop()
          steps++
          if (!task.isCancelled && task.process.isAlive) {
            now = task.at
            current = task.process
            try {
              task.run()
            } catch (error) {
              end(() => reject(error as Error))
              return
            }
          }
          if (steps % STEPS_BETWEEN_PAUSES === 0) pause(step)
          // The tick comes when no microtask is left, however many those of the event caused.
          else afterThis(tickSoon)
        }
        const tickSoon = () => nextTick(step)
        step()
      })
    },
  }
}

/** A binary heap by (at, order): what is due first, and of what is due together the one that was asked for first. */
function createQueue() {
  const heap: Task[] = []
  const isBefore = (a: Task, b: Task) => a.at < b.at || (a.at === b.at && a.order < b.order)
  return {
    peek: (): Task | undefined => heap[0],
    push(task: Task): void {
      let place = heap.length
      heap.push(task)
      while (place > 0) {
        const parent = (place - 1) >> 1
        if (!isBefore(task, heap[parent]!)) break
        heap[place] = heap[parent]!
        place = parent
      }
      heap[place] = task
    },
    pop(): void {
      const last = heap.pop()
      if (heap.length === 0 || !last) return
      let place = 0
      for (;;) {
        let child = 2 * place + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
        if (!isBefore(heap[child]!, last)) break
        heap[place] = heap[child]!
        place = child
      }
      heap[place] = last
    },
  }
}
