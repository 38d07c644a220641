/**
 * The properties of reading. They point one way: whatever the router accepts, llhttp accepts too and sees the same; what
 * the router refuses is of no interest here. And the router's reading must not depend on the pieces in which the bytes
 * came.
 *
 * Each check returns what does not hold, or an empty text.
 */
import { type HeaderLine, type Message, type Reading, trimBlanks } from './message.ts'

/** What the router's reading claims that the oracle's does not confirm. */
export function disagreement(router: Reading, oracle: Reading): string {
  for (const [i, ours] of router.messages.entries()) {
    const theirs = oracle.messages[i]
    if (!theirs)
      return `message ${i}: the router accepts its head, llhttp says ${oracle.problem || 'it is not whole'}`
    const why = difference(ours, theirs)
    if (why !== '') return `message ${i}: ${why}`
  }
  if (router.problem !== '') return ''
  const last = router.messages.at(-1)
  const next = oracle.messages[router.messages.length]
  const mayFollow = last === undefined || (last.end >= 0 && last.isKeptAlive)
  return next && mayFollow
    ? `message ${router.messages.length}: llhttp has its head, the router waits for it`
    : ''
}

function difference(ours: Message, theirs: Message): string {
  for (const field of ['method', 'target', 'status', 'minor', 'headEnd'] as const) {
    if (ours[field] !== theirs[field]) return unequal(field, ours[field], theirs[field])
  }
  if (!areEqualLines(ours.headers, theirs.headers)) return unequal('headers', ours.headers, theirs.headers)
  if (ours.isKeptAlive && !theirs.isKeptAlive && !isKeptByStandard(ours))
    return 'the router would take another message after it, llhttp would not'
  if (ours.end < 0) {
    if (!theirs.body.startsWith(ours.body)) return unequal('beginning of the body', ours.body, theirs.body)
    return ''
  }
  if (ours.body !== theirs.body) return unequal('body', ours.body, theirs.body)
  if (ours.end !== theirs.end) return unequal('end', ours.end, theirs.end)
  const unknown = ours.trailers.find(
    (line) => !theirs.trailers.some((other) => areEqualLines([line], [other])),
  )
  return unknown ? unequal('trailers', ours.trailers, theirs.trailers) : ''
}

/**
 * Two messages that llhttp ends a connection after, and no standard does: one with `proxy-connection`, which it reads like
 * `connection`, and one of HTTP/1.0 with a tab after `keep-alive`, which it does not know as white space.
 */
function isKeptByStandard({ minor, headers }: Message): boolean {
  const valuesOf = (wanted: string) =>
    headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value.toLowerCase())
  const options = valuesOf('connection').flatMap((value) => value.split(',').map(trimBlanks))
  if (options.includes('close')) return false
  return minor === 0 ? options.includes('keep-alive') : valuesOf('proxy-connection').length > 0
}

/** What depends on how the bytes were cut. `whole` is the reading of one piece. */
export function dependenceOnPieces(
  whole: Reading & { code?: string },
  cut: Reading & { code?: string },
): string {
  if ((whole.problem === '') !== (cut.problem === ''))
    return `in one piece: ${whole.problem || 'no problem'}; in several: ${cut.problem || 'no problem'}`
  if (whole.code !== cut.code) return unequal('code by pieces', whole.code, cut.code)
  if (whole.messages.length !== cut.messages.length)
    return unequal('messages by pieces', whole.messages.length, cut.messages.length)
  for (const [i, message] of whole.messages.entries()) {
    const other = cut.messages[i]!
    if (JSON.stringify(message) !== JSON.stringify(other))
      return unequal(`message ${i} by pieces`, message, other)
  }
  return ''
}

export function areEqualLines(a: readonly HeaderLine[], b: readonly HeaderLine[]): boolean {
  return a.length === b.length && a.every(([name, value], i) => name === b[i]![0] && value === b[i]![1])
}

export function unequal(what: string, ours: unknown, theirs: unknown): string {
  return `${what}: the router has ${JSON.stringify(ours)}, llhttp ${JSON.stringify(theirs)}`
}
