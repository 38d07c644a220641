/**
 * What the router and the process that reads for it say to each other, once each way. Both sides are the same version of
 * the same code, so it is the engine's own form of values: it has typed arrays, which lie in it as they are.
 *
 *     order:   length of the next part, 32 bit big-endian | the order, serialized | the document
 *     answer:  length of the rest, 32 bit big-endian | Parsed<ReadDocument>, serialized
 *
 * The answer's length comes first so that the router joins its parts as they come: all at once they would take longer than
 * the rest of what it has to do.
 */
import { deserialize, serialize } from 'node:v8'
import type { Parsed, TrustedKeys } from '@cellplane/contract'
import type { HeldBase } from '@cellplane/core/data-plane'
import type { Chunks, DocumentKind, DocumentOrder, ReadDocument } from './read-document.ts'

export type ReadingOrder<K extends DocumentKind> = {
  kind: K
  held: HeldBase | null
  fleet: string
  /** Public keys. */
  jwks: { keys: JsonWebKey[] }
}

const LENGTH_BYTES = 4

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

/** Joins what comes: `add` takes the next part, and `answer` is what they all are. Undefined unless it is whole. */
export function answerReader<K extends DocumentKind>() {
  let length = Buffer.alloc(0)
  let body: Buffer | undefined
  let bytes = 0
  return {
    add(part: Buffer): void {
      let rest = part
      if (!body) {
        length = Buffer.concat([length, rest])
        if (length.length < LENGTH_BYTES) return
        body = Buffer.allocUnsafeSlow(length.readUInt32BE(0))
        rest = length.subarray(LENGTH_BYTES)
      }
      bytes += rest.copy(body, bytes)
    },
    answer(): Parsed<ReadDocument[K]> | undefined {
      return body && bytes === body.length ? deserialize(body) : undefined
    },
  }
}

export function parseOrder<K extends DocumentKind>(input: Buffer): { order: ReadingOrder<K>; text: string } {
  const end = LENGTH_BYTES + input.readUInt32BE(0)
  const order = deserialize(input.subarray(LENGTH_BYTES, end)) as ReadingOrder<K>
  return { order, text: input.toString('utf8', end) }
}

function framed(value: unknown): Uint8Array[] {
  const body = serialize(value)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(body.length)
  return [length, body]
}

function jwksOf(keys: TrustedKeys): ReadingOrder<DocumentKind>['jwks'] {
  return { keys: [...keys.values()].map((key) => key.export({ format: 'jwk' })) }
}
