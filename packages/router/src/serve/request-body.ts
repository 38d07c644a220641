/**
 * A request's body as far as it has come: what waits for a cell to send it to, and its beginning kept, so that it can be
 * sent again.
 *
 * The client is not read while there is no cell to send to, so what waits is at most what one read brought. What is kept
 * has a limit; a body beyond it can be sent once only.
 */
import { formatChunk, formatLastChunk } from '../http/chunked-body.ts'
import { CHUNKED } from '../http/request-scan.ts'

export class RequestBody {
  /** All of it has come. */
  isDone: boolean
  /** All that has come is kept: it can still be sent from its start. */
  isReplayable = true
  readonly #isChunked: boolean
  readonly #keptBytesMax: number
  #kept = ''
  #isSending = false
  #trailers = ''

  /** `length` is a number of bytes or CHUNKED. */
  constructor(length: number, keptBytesMax: number) {
    this.isDone = length === 0
    this.#isChunked = length === CHUNKED
    this.#keptBytesMax = keptBytesMax
  }

  /** Nothing has come yet. */
  get isEmpty(): boolean {
    return this.#kept === '' && this.isReplayable
  }

  /** Bytes that are held in memory. */
  get keptBytes(): number {
    return this.#kept.length
  }

  /** What comes needs no framing and is not kept: its bytes may be passed on as they are. */
  get passesBytes(): boolean {
    return !this.isReplayable && !this.#isChunked
  }

  /** Takes a part; returns it as it goes to the cell, or nothing when there is none to send it to. */
  add(data: string): string {
    if (this.isReplayable) {
      this.#kept += data
      this.#forgetIfLarge()
    }
    return this.#isSending ? this.#frame(data) : ''
  }

  /** The end has come; returns what that is for the cell. */
  finish(trailers: string): string {
    this.isDone = true
    this.#trailers = trailers
    return this.#isSending ? this.#ending() : ''
  }

  /** From its start: what there is of it, as it goes to a cell. What comes later is returned by `add`. */
  beginSending(): string {
    this.#isSending = true
    const text = this.#kept === '' ? '' : this.#frame(this.#kept)
    this.#forgetIfLarge()
    return this.isDone ? text + this.#ending() : text
  }

  /** There is no cell to send to until the next `beginSending`. */
  stopSending(): void {
    this.#isSending = false
  }

  /** It will not be sent again. */
  forget(): void {
    this.isReplayable = false
    this.#kept = ''
  }

  #forgetIfLarge(): void {
    if (this.#isSending && this.#kept.length > this.#keptBytesMax) this.forget()
  }

  #frame(data: string): string {
    return this.#isChunked ? formatChunk(data) : data
  }

  #ending(): string {
    return this.#isChunked ? formatLastChunk(this.#trailers) : ''
  }
}
