/**
 * The process that reads one large document and ends. On its standard input it gets an order and the document's bytes, on
 * its standard output it leaves what was read; the form is in `reading-frames.ts`.
 *
 * Where memory ends, Linux takes this process and not the router.
 */
import { writeFileSync } from 'node:fs'
import { type Parsed, trustedKeysOf } from '@cellplane/contract'
import { type DocumentKind, type ReadDocument, readDocument } from './read-document.ts'
import { answerFrames, otherFormat, parseOrder } from './reading-frames.ts'

/** From −1000, never, to 1000, first. */
const KILLED_FIRST = '1000'

try {
  writeFileSync('/proc/self/oom_score_adj', KILLED_FIRST)
} catch {
  // Another system, or one that does not let itself be told.
}

const input: Buffer[] = []
for await (const chunk of process.stdin) input.push(chunk)
for (const frame of answerFrames(answerTo(Buffer.concat(input)))) process.stdout.write(frame)

function answerTo(input: Buffer): Parsed<ReadDocument[DocumentKind]> {
  const ordered = parseOrder<DocumentKind>(input)
  if (!ordered) return otherFormat()
  const { order, text } = ordered
  const keys = trustedKeysOf(order.jwks)
  return keys.ok ? readDocument({ ...order, text, keys: keys.value }) : keys
}
