/**
 * The oracle: llhttp, the parser of Node.js, in the strict mode that servers run it in, as the WebAssembly build that
 * undici ships. Reads a whole stream and says which messages it sees, and where each ends.
 *
 * llhttp is paused after every head and every message, because that is when it tells its position. Two things differ
 * from how it comes, neither of which concerns framing:
 * - It knows a list of methods, where HTTP allows any token. A method that it does not know is shown to it as PATCH.
 * - It refuses whatever follows a message that ends the connection. Here it reads on, and says of each message
 *   whether another one may follow, so that this can be compared by itself.
 */
import { createRequire } from 'node:module'
import type { HeaderLine, Message, Reading } from './message.ts'
import { trimBlanks } from './message.ts'

type Constants = {
  ERROR: Record<string, number>
  TYPE: { REQUEST: number; RESPONSE: number }
  METHODS: Record<string, number>
  METHODS_HTTP: number[]
}

type Exports = {
  memory: WebAssembly.Memory
  malloc(bytes: number): number
  llhttp_alloc(type: number): number
  llhttp_free(parser: number): void
  llhttp_execute(parser: number, data: number, length: number): number
  llhttp_finish(parser: number): number
  llhttp_resume(parser: number): void
  llhttp_resume_after_upgrade(parser: number): void
  llhttp_get_error_pos(parser: number): number
  llhttp_get_method(parser: number): number
  llhttp_get_http_minor(parser: number): number
  llhttp_set_lenient_keep_alive(parser: number, isLenient: number): void
}

const load = createRequire(import.meta.url)
const wasm: Uint8Array<ArrayBuffer> = load('undici/lib/llhttp/llhttp-wasm.js')
const constants: Constants = load('undici/lib/llhttp/constants.js')
const { ERROR, TYPE, METHODS } = constants

const NAMES_OF_METHODS = new Map(Object.entries(METHODS).map(([name, code]) => [code, name]))
/** PRI only begins HTTP/2, and SOURCE is Icecast's. */
const KNOWN_METHODS = new Set(
  constants.METHODS_HTTP.map((code) => NAMES_OF_METHODS.get(code)!).filter(
    (name) => name !== 'PRI' && name !== 'SOURCE',
  ),
)
const STAND_IN = 'PATCH'

export const STREAM_BYTES_MAX = 256 * 1024
/** A stream of N bytes has fewer than N heads and ends at which to pause. */
const PAUSES_MAX = 2 * STREAM_BYTES_MAX

export type Perspective =
  | { kind: 'requests' }
  /** `isHead`: the final answer is one to HEAD. `hasEnded`: the connection ends after the bytes. */
  | { kind: 'answers'; isHead: boolean; hasEnded: boolean }

let run: Run | null = null

const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
  env: {
    wasm_on_message_begin: () => run!.onMessageBegin(),
    wasm_on_url: (_: number, at: number, length: number) => run!.onTarget(at, length),
    wasm_on_status: () => 0,
    wasm_on_header_field: (_: number, at: number, length: number) => run!.onName(at, length),
    wasm_on_header_value: (_: number, at: number, length: number) => run!.onValue(at, length),
    wasm_on_headers_complete: (_: number, status: number, _upgrade: number, keep: number) =>
      run!.onHead(status, keep === 1),
    wasm_on_body: (_: number, at: number, length: number) => run!.onBody(at, length),
    wasm_on_message_complete: () => run!.onMessageEnd(),
  },
})
const llhttp = instance.exports as unknown as Exports
const data = llhttp.malloc(STREAM_BYTES_MAX)
const standIn = llhttp.malloc(STAND_IN.length)
new Uint8Array(llhttp.memory.buffer, standIn, STAND_IN.length).set(Buffer.from(STAND_IN))

export function readWithLlhttp(bytes: Buffer, perspective: Perspective): Reading {
  if (bytes.length > STREAM_BYTES_MAX)
    throw new RangeError(`a stream of ${bytes.length} bytes; the oracle takes ${STREAM_BYTES_MAX}`)
  new Uint8Array(llhttp.memory.buffer, data, bytes.length).set(bytes)
  run = new Run(bytes, perspective)
  try {
    return run.read()
  } finally {
    run.free()
    run = null
  }
}

class Run {
  readonly #bytes: Buffer
  readonly #perspective: Perspective
  readonly #parser: number
  readonly #messages: Message[] = []
  #isBetween = true
  #pausedAt: 'head' | 'end' | '' = ''
  #method = ''
  #target = ''
  /** Name and value by turns, each as far as it has been read. */
  #lines: [string, string][] = []
  #isInValue = true

  constructor(bytes: Buffer, perspective: Perspective) {
    this.#bytes = bytes
    this.#perspective = perspective
    this.#parser = llhttp.llhttp_alloc(perspective.kind === 'requests' ? TYPE.REQUEST : TYPE.RESPONSE)
    llhttp.llhttp_set_lenient_keep_alive(this.#parser, 1)
  }

  free(): void {
    llhttp.llhttp_free(this.#parser)
  }

  read(): Reading {
    let at = 0
    let isFed = false
    for (let pauses = 0; pauses < PAUSES_MAX; pauses++) {
      if (this.#isBetween && this.#perspective.kind === 'requests') at = this.#skipUnknownMethod(at)
      if (at < 0) return this.#finish('INVALID_METHOD')
      if (isFed && at >= this.#bytes.length && this.#pausedAt === '') break
      this.#pausedAt = ''
      isFed = true
      const error = llhttp.llhttp_execute(this.#parser, data + at, this.#bytes.length - at)
      if (error === ERROR['OK']) break
      at = llhttp.llhttp_get_error_pos(this.#parser) - data
      if (error === ERROR['PAUSED']) this.#onPause(at)
      else if (error === ERROR['PAUSED_UPGRADE']) llhttp.llhttp_resume_after_upgrade(this.#parser)
      else return this.#finish(nameOfError(error))
    }
    const { kind } = this.#perspective
    if (kind === 'answers' && this.#perspective.hasEnded) this.#onConnectionEnd()
    return this.#finish('')
  }

  #finish(problem: string): Reading {
    return { messages: this.#messages, problem }
  }

  #onPause(at: number): void {
    const message = this.#messages.at(-1)!
    if (this.#pausedAt === 'head') message.headEnd = at
    else this.#end(message, at)
    llhttp.llhttp_resume(this.#parser)
  }

  #onConnectionEnd(): void {
    const message = this.#messages.at(-1)
    const error = llhttp.llhttp_finish(this.#parser)
    const isEnd = error === ERROR['OK'] || error === ERROR['PAUSED']
    if (isEnd && this.#pausedAt === 'end' && message?.end === -1) this.#end(message, this.#bytes.length)
  }

  #end(message: Message, at: number): void {
    message.end = at
    message.trailers = this.#takeLines()
    // An answer without a body that was skipped over its head's pause.
    if (message.headEnd < 0) message.headEnd = at
    this.#isBetween = true
  }

  /** Feeds a method that llhttp does not know in another form; returns where to go on, or -1 when it refuses even so. */
  #skipUnknownMethod(from: number): number {
    let start = from
    while (this.#bytes[start] === 0x0d || this.#bytes[start] === 0x0a) start++
    const method = /^[!#$%&'*+.^_`|~\w-]+(?= )/.exec(this.#bytes.toString('latin1', start, start + 64))?.[0]
    if (method === undefined || KNOWN_METHODS.has(method)) return from
    const isFed = this.#feed(data + from, start - from) && this.#feed(standIn, STAND_IN.length)
    if (!isFed) return -1
    this.#method = method
    return start + method.length
  }

  /** All of what is there, which is no end of a head or of a message. */
  #feed(at: number, length: number): boolean {
    if (length === 0) return true
    let error = llhttp.llhttp_execute(this.#parser, at, length)
    if (error === ERROR['PAUSED_UPGRADE']) {
      llhttp.llhttp_resume_after_upgrade(this.#parser)
      error = llhttp.llhttp_execute(this.#parser, at, length)
    }
    return error === ERROR['OK']
  }

  #text(at: number, length: number): string {
    return this.#bytes.toString('latin1', at - data, at - data + length)
  }

  #takeLines(): HeaderLine[] {
    const lines = this.#lines.map(([name, value]): HeaderLine => [name, trimBlanks(value)])
    this.#lines = []
    this.#isInValue = true
    return lines
  }

  // ── Called by llhttp; what they return is an error code, and PAUSED pauses ──

  onMessageBegin(): number {
    this.#isBetween = false
    this.#target = ''
    this.#takeLines()
    return 0
  }

  onTarget(at: number, length: number): number {
    this.#target += this.#text(at, length)
    return 0
  }

  onName(at: number, length: number): number {
    if (this.#isInValue) this.#lines.push(['', ''])
    this.#isInValue = false
    this.#lines.at(-1)![0] += this.#text(at, length)
    return 0
  }

  onValue(at: number, length: number): number {
    this.#isInValue = true
    this.#lines.at(-1)![1] += this.#text(at, length)
    return 0
  }

  onHead(status: number, isKeptAlive: boolean): number {
    const perspective = this.#perspective
    const isRequest = perspective.kind === 'requests'
    const named = NAMES_OF_METHODS.get(llhttp.llhttp_get_method(this.#parser)) ?? ''
    this.#messages.push({
      method: isRequest ? this.#method || named : '',
      target: this.#target,
      status: isRequest ? 0 : status,
      minor: llhttp.llhttp_get_http_minor(this.#parser),
      headers: this.#takeLines(),
      headEnd: -1,
      body: '',
      trailers: [],
      end: -1,
      isKeptAlive,
    })
    this.#method = ''
    // Whoever sent HEAD tells llhttp so instead of pausing; the message then ends where its head does.
    if (!isRequest && perspective.isHead && status >= 200) return 1
    this.#pausedAt = 'head'
    return ERROR['PAUSED']!
  }

  onBody(at: number, length: number): number {
    this.#messages.at(-1)!.body += this.#text(at, length)
    return 0
  }

  onMessageEnd(): number {
    this.#pausedAt = 'end'
    return ERROR['PAUSED']!
  }
}

function nameOfError(code: number): string {
  return Object.entries(ERROR).find(([, other]) => other === code)?.[0] ?? `error ${code}`
}
