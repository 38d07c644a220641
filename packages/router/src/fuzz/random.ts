/** Numbers from a seed (mulberry32), so that every case can be made again. Neighbouring seeds give unrelated streams. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    // The first number of a stream would otherwise still resemble that of the seed's neighbour.
    this.below(2)
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }

  /** True once in `times`, on average. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)]
    if (picked === undefined) throw new RangeError('there is nothing to pick from')
    return picked
  }
}
