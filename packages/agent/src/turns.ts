/** Lets a bounded number of pieces of heavy work run at a time; the others wait in the order in which they came. */
export class Turns {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // The turn is handed on rather than freed, so that nobody who came later takes it first.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
