/**
 * The second oracle: a server of node:http, with all that it does around llhttp. What the router would hand to a cell, a
 * server in Node must read the same way.
 *
 * The server gets its bytes from one end of a pair of streams instead of a socket: it parses them at once, so nothing
 * has to be waited for but the turns of the event loop in which bodies are handed over.
 */
import { createServer, METHODS, type Server } from 'node:http'
import { duplexPair } from 'node:stream'
import { areEqualLines, unequal } from './agreement.ts'
import type { HeaderLine, Message, Reading } from './message.ts'

type Seen = { method: string; target: string; headers: HeaderLine[]; body: string; isWhole: boolean }

/** Handing over a body of a few kilobytes takes three; more turns cost nothing. */
const TURNS = 8

export class NodeServer {
  readonly #server: Server
  #seen: Seen[] = []

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false }, (request, response) => {
      const seen: Seen = {
        method: request.method!,
        target: request.url!,
        headers: pairs(request.rawHeaders),
        body: '',
        isWhole: false,
      }
      this.#seen.push(seen)
      request.setEncoding('latin1').on('data', (text: string) => {
        seen.body += text
      })
      request.on('end', () => {
        seen.isWhole = true
        response.end()
      })
      // A stream that ends in the middle of a message is part of the game.
      request.on('error', () => {})
    })
    this.#server.on('clientError', () => {})
  }

  /** What the router's reading claims that this server does not confirm; empty when it confirms all. */
  async disagreement(router: Reading, llhttp: Reading, bytes: Buffer): Promise<string> {
    const whole = router.messages.filter(({ end }) => end >= 0)
    // It knows a list of methods, and after a request to upgrade it may wait for another protocol.
    const other = whole.findIndex((message) => !METHODS.includes(message.method) || hasUpgrade(message))
    // What comes after a message that llhttp takes for the last is not read.
    const last = llhttp.messages.findIndex(({ isKeptAlive }) => !isKeptAlive)
    const claimed = whole.slice(
      0,
      Math.min(other < 0 ? whole.length : other, last < 0 ? whole.length : last + 1),
    )
    if (claimed.length === 0) return ''
    const seen = await this.#read(bytes.subarray(0, claimed.at(-1)!.end))
    for (const [i, ours] of claimed.entries()) {
      const theirs = seen[i]
      if (!theirs?.isWhole) return `message ${i}: the router accepts it, node:http does not`
      const why = difference(ours, theirs)
      if (why !== '') return `message ${i}, node:http: ${why}`
    }
    return ''
  }

  async #read(bytes: Buffer): Promise<readonly Seen[]> {
    const [near, far] = duplexPair()
    this.#seen = []
    for (const stream of [near, far]) stream.on('error', () => {})
    this.#server.emit('connection', far)
    near.resume()
    near.write(bytes)
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
    near.destroy()
    far.destroy()
    return this.#seen
  }
}

function difference(ours: Message, theirs: Seen): string {
  for (const field of ['method', 'target', 'body'] as const) {
    if (ours[field] !== theirs[field]) return unequal(field, ours[field], theirs[field])
  }
  return areEqualLines(ours.headers, theirs.headers) ? '' : unequal('headers', ours.headers, theirs.headers)
}

function hasUpgrade({ headers }: Message): boolean {
  return headers.some(([name]) => name.toLowerCase() === 'upgrade')
}

function pairs(flat: readonly string[]): HeaderLine[] {
  return Array.from({ length: flat.length / 2 }, (_, i): HeaderLine => [flat[2 * i]!, flat[2 * i + 1]!])
}
