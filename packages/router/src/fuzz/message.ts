/**
 * What two readers of the same bytes are compared by. Texts are Latin-1, byte for byte what was on the wire; offsets are
 * into the whole stream.
 */

export type HeaderLine = readonly [name: string, value: string]

export type Message = {
  /** Of a request; empty in an answer. */
  method: string
  target: string
  /** Of an answer; 0 in a request. */
  status: number
  minor: number
  /** In order, values without surrounding white space. */
  headers: HeaderLine[]
  headEnd: number
  /** As much of it as was read, without its framing. */
  body: string
  trailers: HeaderLine[]
  /** Where the next message begins; -1 while this one is not complete. */
  end: number
  /** Another message may follow on the connection. */
  isKeptAlive: boolean
}

export type Reading = {
  /** Messages whose head was read and accepted; only the last may be incomplete. */
  messages: Message[]
  /** Why nothing more is read: what broke the rules; empty when nothing did. */
  problem: string
}

/** Splits header lines that a strict reader accepted, in the plainest way. */
export function splitHeaderLines(text: string): HeaderLine[] {
  return text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line): HeaderLine => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), trimBlanks(line.slice(colon + 1))]
    })
}

/** Without surrounding spaces and tabs. `trim` would take other white space too, which HTTP does not know as such. */
export function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}
