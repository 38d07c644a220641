/**
 * What the router and the process that reads for it say to each other, once each way. Both sides are the same version of
 * the same code, so values are in the engine's own form (`packed-value.ts`). Unless the files were replaced under a running
 * router: each side says its format first, and neither takes another's for its own.
 *
 *     order:   format | length of the next part | the order, packed | the document
 *     answer:  format | length of the rest | Parsed<ReadDocument>, packed
 *
 * Format and length have 32 bits each, big-endian. The answer's length comes first so that the router joins its parts as they come: all at once they would take longer than
 * the rest of what it has to do.
 */
import { type Parsed, problem, refused, type TrustedKeys } from '@cellplane/contract'
import type { HeldBase } from '@cellplane/core/data-plane'
import { packValue, unpackValue } from './packed-value.ts'
import {
  bytesOf,
  type Chunks,
  type DocumentKind,
  type DocumentOrder,
  type ReadDocument,
  TOPOLOGY_UNREADABLE,
} from './read-document.ts'

export type ReadingOrder<K extends DocumentKind> = {
  kind: K
  held: HeldBase | null
  fleet: string
  /** Public keys. */
  jwks: { keys: JsonWebKey[] }
}

/**
 * To be raised with every change of what an order or an answer holds, also deep in it: a packed snapshot of another form
 * would be taken, and route wrongly. Its high half is no length's: one of before there were formats never looks like it.
 */
export const READING_FORMAT = 0xce11_0002

const PREFIX_BYTES = 8
const LENGTH_AT = 4

/** The parts to send, in order. The document's are those given. */
export function orderFrames<K extends DocumentKind>(
  { kind, held, fleet, keys }: Omit<DocumentOrder<K>, 'text'>,
  document: Chunks,
): Uint8Array[] {
  const order: ReadingOrder<K> = { kind, held, fleet, jwks: jwksOf(keys) }
  return [...framed(order), ...document]
}

export function answerFrames<K extends DocumentKind>(answer: Parsed<ReadDocument[K]>): Uint8Array[] {
  return framed(answer)
}

/**
 * Joins what comes: `add` takes the next part, and `answer` is what they all are, or that it is of another format.
 * Undefined unless it is whole.
 */
export function answerReader<K extends DocumentKind>() {
  let prefix = Buffer.alloc(0)
  let isOurs = true
  let body: Buffer | undefined
  let bytes = 0
  return {
    add(part: Buffer): void {
      if (!isOurs) return
      let rest = part
      if (!body) {
        prefix = Buffer.concat([prefix, rest])
        if (prefix.length < PREFIX_BYTES) return
        isOurs = isOurFormat(prefix)
        if (!isOurs) return
        body = Buffer.allocUnsafeSlow(prefix.readUInt32BE(LENGTH_AT))
        rest = prefix.subarray(PREFIX_BYTES)
      }
      bytes += rest.copy(body, bytes)
    },
    answer(): Parsed<ReadDocument[K]> | undefined {
      if (!isOurs) return otherFormat()
      if (!body || bytes < body.length) return undefined
      return unpackValue(body) as Parsed<ReadDocument[K]>
    },
  }
}

/** The order and the document's text; undefined when it is of another format. */
export function parseOrder<K extends DocumentKind>(
  input: Buffer,
): { order: ReadingOrder<K>; text: string } | undefined {
  if (!isOurFormat(input)) return undefined
  const end = PREFIX_BYTES + input.readUInt32BE(LENGTH_AT)
  const order = unpackValue(input.subarray(PREFIX_BYTES, end)) as ReadingOrder<K>
  return { order, text: input.toString('utf8', end) }
}

/** What both sides answer to what the other one's code made. */
export function otherFormat(): Parsed<never> {
  const why = 'the router and the process that reads for it are different versions of the code'
  const message = `${why}: its files were replaced under the running router; restart it`
  return refused(problem(TOPOLOGY_UNREADABLE, '', message))
}

const isOurFormat = (input: Buffer) =>
  input.length >= PREFIX_BYTES && input.readUInt32BE(0) === READING_FORMAT

function framed(value: unknown): Uint8Array[] {
  const parts = packValue(value)
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(READING_FORMAT)
  prefix.writeUInt32BE(bytesOf(parts), LENGTH_AT)
  return [prefix, ...parts]
}

function jwksOf(keys: TrustedKeys): ReadingOrder<DocumentKind>['jwks'] {
  return { keys: [...keys.values()].map((key) => key.export({ format: 'jwk' })) }
}
