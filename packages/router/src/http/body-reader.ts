/**
 * How much of what arrives is still this message's body: by length, in chunks, or all until the connection ends. One
 * reader a message; a message without a body has none.
 */
import { ChunkedReader } from './chunked-body.ts'
import { CHUNKED } from './request-scan.ts'
import { UNTIL_CLOSE } from './response-scan.ts'

export class BodyReader {
  /** After each `read`: the data that it found, as offsets; empty when they are equal. */
  dataStart = 0
  dataEnd = 0
  isDone = false
  /** True when the sender framed it in chunks. */
  readonly isChunked: boolean
  readonly #chunked: ChunkedReader | null
  #left: number

  /** `length` is a number of bytes above 0, CHUNKED or UNTIL_CLOSE. */
  constructor(length: number) {
    this.isChunked = length === CHUNKED
    this.#chunked = this.isChunked ? new ChunkedReader() : null
    this.#left = length === UNTIL_CLOSE ? Number.POSITIVE_INFINITY : length
  }

  get trailers(): string {
    return this.#chunked?.trailers ?? ''
  }

  get problem(): string {
    return this.#chunked?.problem ?? ''
  }

  /** A body that the end of the connection completes. */
  get endsWithConnection(): boolean {
    return this.#left === Number.POSITIVE_INFINITY
  }

  /**
   * Reads on, up to one piece of data. To be called until it is done or all was read.
   *
   * @returns the offset up to which it has read, or REFUSED
   */
  read(bytes: Buffer, start: number, limit: number): number {
    if (this.#chunked) {
      const at = this.#chunked.read(bytes, start, limit)
      this.dataStart = this.#chunked.dataStart
      this.dataEnd = this.#chunked.dataEnd
      this.isDone = this.#chunked.isDone
      return at
    }
    const end = Math.min(limit, start + this.#left)
    this.dataStart = start
    this.dataEnd = end
    this.#left -= end - start
    this.isDone = this.#left === 0
    return end
  }
}
