/**
 * The steps of one cell over a fixed time, the oldest overwritten by the newest. A step is found by its number (time
 * over the step's length) modulo the ring's size, and beside its values stands the number that they are of, so that
 * places of a time without samples need not be cleared.
 *
 * Values lie column by column: a question asks for few columns of many steps, and reads them in the order of memory.
 */
import { COLUMNS, IN_FLIGHT_MAX } from './columns.ts'

export class Ring {
  readonly #size: number
  /** Column after column, `#size` places each. */
  readonly #values: Float32Array | Float64Array
  /** The step's number that a place is of; 0 = never written. */
  readonly #steps: Uint32Array

  /**
   * `size`: how many steps are kept. 32-bit floats are exact up to 16 million events a step, half the room of 64-bit
   * ones.
   */
  constructor(size: number, Floats: typeof Float32Array | typeof Float64Array = Float32Array) {
    this.#size = size
    this.#values = new Floats(size * COLUMNS)
    this.#steps = new Uint32Array(size)
  }

  /**
   * Adds to the step, of in-flight levels keeps the highest. What is older than the ring goes back is dropped, except when it
   * `isOfNow`: then it was a clock that was ahead that took the place.
   */
  add(step: number, values: ArrayLike<number>, isOfNow: boolean): void {
    const place = step % this.#size
    const held = this.#steps[place]!
    if (held > step && !isOfNow) return
    this.#steps[place] = step
    for (let column = 0, at = place; column < COLUMNS; column++, at += this.#size) {
      const stored = this.#values[at]!
      const before = held === step ? stored : 0
      const value = values[column]!
      const next = column === IN_FLIGHT_MAX ? Math.max(before, value) : before + value
      // Most buckets of most cells stay empty: memory that nobody wrote to is none yet.
      if (next !== stored) this.#values[at] = next
    }
  }

  /**
   * Sums columns of the steps in (after, until] into `into`, from `column` on as many as it has room for; of in-flight
   * levels the highest. Returns how many of the steps there were.
   */
  sum(after: number, until: number, into: Float64Array, column = 0): number {
    const first = Math.max(after + 1, until - this.#size + 1)
    const start = first % this.#size
    const beforeWrap = Math.min(until - first + 1, this.#size - start)
    const found = this.#sumRun(start, first, beforeWrap, into, column)
    return found + this.#sumRun(0, first + beforeWrap, until - first + 1 - beforeWrap, into, column)
  }

  /** `length` places from `place` on, which are those of the steps from `step` on. */
  #sumRun(place: number, step: number, length: number, into: Float64Array, firstColumn: number): number {
    const steps = this.#steps
    let found = 0
    for (let i = 0; i < length; i++) if (steps[place + i] === step + i) found++
    if (found === 0) return 0
    for (let nth = 0; nth < into.length; nth++) {
      const column = firstColumn + nth
      const values = this.#values.subarray(column * this.#size + place, column * this.#size + place + length)
      let sum = into[nth]!
      for (let i = 0; i < length; i++) {
        if (steps[place + i] !== step + i) continue
        sum = column === IN_FLIGHT_MAX ? Math.max(sum, values[i]!) : sum + values[i]!
      }
      into[nth] = sum
    }
    return found
  }

  has(step: number): boolean {
    return this.#steps[step % this.#size] === step
  }

  /** The step's values, or undefined. */
  at(step: number): number[] | undefined {
    if (!this.has(step)) return undefined
    const place = step % this.#size
    return Array.from({ length: COLUMNS }, (_, column) => this.#values[column * this.#size + place]!)
  }
}
