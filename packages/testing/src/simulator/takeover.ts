/**
 * Takes the process's time, chance and network over for a world, and gives them back.
 *
 * Production code asks `Date`, `performance`, `setTimeout`, `Math.random` and `fetch`; handing all of these through every
 * layer would be a second way to write each file, and whatever forgot one would be tested less than it looks. Taking over
 * the globals leaves no way around: what is not virtual here (a socket, a file) fails at once. Each call is answered as
 * the process of the world that runs: its clock, its random stream, its place in the network.
 *
 * Abort signals made of timeouts are answered by a light stand-in. A probe makes two of them, and the real ones cost
 * more than all the rest of it.
 */
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import timersPromises from 'node:timers/promises'
import { type Network, TIME_IS_UP } from './network.ts'
import type { Task, World } from './world.ts'

type Listener = () => void

/** As much of an AbortSignal as is used of those that `timeout` and `any` make. */
export type LightSignal = {
  readonly aborted: boolean
  readonly reason: unknown
  /** On the world's clock; infinite without a timeout. */
  readonly deadline: number
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: Listener): void
  removeEventListener(type: 'abort', listener: Listener): void
}

/** Installs the world. Call what it returns to have the real ones back. */
export function takeOver(world: World, network: Network): () => void {
  const real = {
    Date: globalThis.Date,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    fetch: globalThis.fetch,
    random: Math.random,
    any: AbortSignal.any,
    timeout: AbortSignal.timeout,
    delay: timersPromises.setTimeout,
    turn: timersPromises.setImmediate,
    connect: net.connect,
    request: http.request,
  }

  class VirtualDate extends real.Date {
    constructor(...parts: unknown[]) {
      super(...((parts.length === 0 ? [world.wall()] : parts) as [number]))
    }
    static override now(): number {
      return world.wall()
    }
  }

  const handleOf = (task: Task) => Object.assign(task, { ref: () => task, unref: () => task })
  const cancel = (task: Task | undefined) => {
    if (task) task.isCancelled = true
  }
  const startTimeout = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    handleOf(world.later(ms, () => run(...args)))
  const startInterval = (run: (...args: unknown[]) => void, ms: number, ...args: unknown[]) => {
    const owner = world.current()
    const first = world.later(ms, () => turn(first))
    // The handle stays that of the first turn; later ones look whether it was cancelled.
    const turn = (handle: Task) => {
      if (handle.isCancelled) return
      world.schedule(owner, ms, () => turn(handle))
      run(...args)
    }
    return handleOf(first)
  }
  const delay = <T>(ms: number, value?: T, { signal }: { signal?: LightSignal } = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const task = world.later(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve(value as T)
      })
      const onAbort = () => {
        task.isCancelled = true
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort)
    })

  const turn = <T>(value?: T): Promise<T> =>
    new Promise((resolve) => world.later(0, () => resolve(value as T)))

  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: startTimeout,
    clearTimeout: cancel,
    setInterval: startInterval,
    clearInterval: cancel,
    fetch: network.fetch,
  })
  Math.random = () => world.current().random.next()
  Object.assign(AbortSignal, {
    timeout: (ms: number) => lightSignal(world, [], world.now() + ms),
    any: (signals: LightSignal[]) =>
      lightSignal(
        world,
        signals,
        Math.min(...signals.map((one) => one.deadline ?? Number.POSITIVE_INFINITY)),
      ),
  })
  Object.defineProperty(performance, 'now', { value: world.monotonic, configurable: true })
  Object.defineProperty(performance, 'timeOrigin', { get: world.timeOrigin, configurable: true })
  Object.assign(timersPromises, { setTimeout: delay, setImmediate: turn })
  Object.assign(net, { connect: network.connect })
  Object.assign(http, { request: network.request })
  syncBuiltinESMExports()

  return () => {
    const { random, any, timeout, delay: realDelay, turn: realTurn, connect, request, ...globals } = real
    Object.assign(globalThis, globals)
    Math.random = random
    Object.assign(AbortSignal, { any, timeout })
    // The own properties hid those of the prototype.
    Reflect.deleteProperty(performance, 'now')
    Reflect.deleteProperty(performance, 'timeOrigin')
    Object.assign(timersPromises, { setTimeout: realDelay, setImmediate: realTurn })
    Object.assign(net, { connect })
    Object.assign(http, { request })
    syncBuiltinESMExports()
  }
}

function lightSignal(world: World, parents: readonly LightSignal[], deadline: number): LightSignal {
  const isLate = () => world.now() >= deadline
  return {
    deadline,
    get aborted() {
      return isLate() || parents.some((parent) => parent.aborted)
    },
    get reason() {
      const parent = parents.find((one) => one.aborted)
      return parent ? parent.reason : TIME_IS_UP
    },
    throwIfAborted() {
      if (this.aborted) throw this.reason
    },
    addEventListener: (type, listener) => {
      for (const parent of parents) parent.addEventListener(type, listener)
    },
    removeEventListener: (type, listener) => {
      for (const parent of parents) parent.removeEventListener(type, listener)
    },
  }
}
