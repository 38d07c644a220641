/**
 * Randomness that a seed repeats: everything that chance decides in a simulation is drawn from here.
 *
 * A stream is forked by name, and what one draws does not move the others. So a fault that is taken out of a plan leaves
 * the traffic and the rest of the plan as they were, and two runs differ by what was changed and by nothing else.
 */
import { hashKey } from '@cellplane/core'

export type Random = {
  /** From 0 up to, not including, 1. */
  next(): number
  /** An integer from 0 to `n` − 1. */
  below(n: number): number
  between(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
  /** `count` different ones, in random order; all when there are fewer. */
  sample<T>(from: readonly T[], count: number): T[]
  /** A stream of its own: the same for the same name, however much was drawn from this one. */
  fork(name: string): Random
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0

  /** Mulberry32 (Tommy Ettinger, 2017): 32 bits of state, passes gjrand, and one multiplication is not felt. */
  function next(): number {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  const below = (n: number) => Math.floor(next() * n)
  return {
    next,
    below,
    between: (least, most) => least + next() * (most - least),
    chance: (probability) => next() < probability,
    pick: (from) => from[below(from.length)]!,
    sample(from, count) {
      const left = [...from]
      return Array.from(
        { length: Math.min(count, left.length) },
        () => left.splice(below(left.length), 1)[0]!,
      )
    },
    fork: (name) => createRandom(hashKey(name, seed >>> 0)),
  }
}
