/**
 * The header lines of a head, scanned once, byte by byte, into positions: nothing is copied and nothing allocated.
 *
 * The scanner accepts a subset of HTTP/1.1 about which no two parsers disagree, and refuses the rest: every line ends
 * with CR LF, a name is a token directly before its colon, a value has no control character, no line is folded. So a
 * head that passed can be forwarded as the bytes that came, less the lines that end at the router.
 */
import { CLASSES, COLON, CR, LF, SPACE, TAB, TOKEN, VALUE } from './character-classes.ts'
import { CUT, type HeaderNames, ID_IMITATION, ID_UNKNOWN } from './header-names.ts'

/** More lines than any client sends; each costs a few bytes of bookkeeping. */
export const HEADER_LINES_MAX = 128

/** Returned instead of an offset: the head is not whole yet, and nothing wrong with it so far. */
export const INCOMPLETE = -1
/** Returned instead of an offset: `scan.problem` says why. */
export const REFUSED = -2

export class HeadScan {
  readonly names: HeaderNames
  /** By header id: where its value starts and ends, without surrounding white space; -1 when the header is absent. */
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  /** Pairs of offsets: the lines, in order, that end at the router. */
  readonly cuts = new Int32Array(2 * HEADER_LINES_MAX)
  cutCount = 0
  /** Where the header lines start; they end before the blank line, which ends at `end`. */
  linesStart = 0
  linesEnd = 0
  end = 0
  /** Why the head was refused, for the sender. */
  problem = ''

  constructor(names: HeaderNames) {
    this.names = names
    this.valueStarts = new Int32Array(names.list.length)
    this.valueEnds = new Int32Array(names.list.length)
  }

  has(id: number): boolean {
    return this.valueStarts[id]! >= 0
  }

  refuse(problem: string): typeof REFUSED {
    this.problem = problem
    return REFUSED
  }

  /** There are too many lines; a request's answer has a status of its own for that. */
  refuseLines(problem: string): typeof REFUSED {
    return this.refuse(problem)
  }
}

/**
 * Scans header lines from `start` to the blank line.
 *
 * @returns the offset after the blank line, INCOMPLETE or REFUSED
 */
export function scanHeaderLines(scan: HeadScan, bytes: Uint8Array, start: number, limit: number): number {
  const { names, valueStarts, valueEnds, cuts } = scan
  valueStarts.fill(-1)
  scan.cutCount = 0
  scan.linesStart = start
  let at = start
  for (let lines = 0; ; lines++) {
    const lineStart = at
    if (at >= limit) return INCOMPLETE
    if (bytes[at] === CR) {
      if (at + 1 >= limit) return INCOMPLETE
      if (bytes[at + 1] !== LF) return scan.refuse('a CR that no LF follows')
      scan.linesEnd = at
      scan.end = at + 2
      return scan.end
    }
    if (lines === HEADER_LINES_MAX) return scan.refuseLines(`more than ${HEADER_LINES_MAX} header lines`)

    while (at < limit && (CLASSES[bytes[at]!]! & TOKEN) !== 0) at++
    if (at >= limit) return INCOMPLETE
    const byte = bytes[at]!
    if (byte !== COLON || at === lineStart) return scan.refuse(nameProblem(byte, at === lineStart))
    const nameEnd = at++

    while (at < limit && (bytes[at] === SPACE || bytes[at] === TAB)) at++
    const valueStart = at
    while (at < limit && (CLASSES[bytes[at]!]! & VALUE) !== 0) at++
    if (at + 1 >= limit) {
      return at < limit && bytes[at] !== CR
        ? scan.refuse('a control character in a header value')
        : INCOMPLETE
    }
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      const isLineEnd = bytes[at] === CR || bytes[at] === LF
      return scan.refuse(isLineEnd ? 'a bare CR or LF' : 'a control character in a header value')
    }
    let valueEnd = at
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd--
    at += 2

    const id = names.find(bytes, lineStart, nameEnd)
    if (id === ID_UNKNOWN) continue
    let isCut = true
    if (id !== ID_IMITATION) {
      const { name, fate, isSingle } = names.list[id]!
      if (valueStarts[id]! >= 0 && isSingle) return scan.refuse(`the header ${name} is given more than once`)
      valueStarts[id] = valueStart
      valueEnds[id] = valueEnd
      isCut = fate === CUT
    }
    if (isCut) {
      cuts[2 * scan.cutCount] = lineStart
      cuts[2 * scan.cutCount++ + 1] = at
    }
  }
}

function nameProblem(byte: number, isFirst: boolean): string {
  if (isFirst && (byte === SPACE || byte === TAB)) return 'a folded header line'
  if (byte === SPACE || byte === TAB) return 'white space before a colon'
  if (byte === CR || byte === LF) return 'a header line without a colon, or a bare CR or LF'
  return isFirst && byte === COLON ? 'a header without a name' : 'an invalid character in a header name'
}

/** The text of a value; undefined when the header is absent. Text and bytes share their offsets: text is Latin-1. */
export function headerValue(scan: HeadScan, text: string, id: number): string | undefined {
  const start = scan.valueStarts[id]!
  return start < 0 ? undefined : text.slice(start, scan.valueEnds[id]!)
}

/** The lines from `from`, without those that end at the router. `from` is at or before the first line. */
export function keptLines(scan: HeadScan, text: string, from: number): string {
  let kept = ''
  let at = from
  for (let i = 0; i < scan.cutCount; i++) {
    const start = scan.cuts[2 * i]!
    if (start > at) kept += text.slice(at, start)
    at = scan.cuts[2 * i + 1]!
  }
  return kept + text.slice(at, scan.linesEnd)
}
