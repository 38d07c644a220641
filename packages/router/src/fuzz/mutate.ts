/** Small damage to a stream, of the kinds that parsers have disagreed about. Text is Latin-1. */

import type { Random } from './random.ts'
import { WRONG_LINES } from './vocabulary.ts'

/** Longer streams find nothing that shorter ones do not. */
const STREAM_CHARACTERS_MAX = 16_384

const TOKENS = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\x00',
    ' ',
    '\t',
    '\x0b',
    '\x7f',
    '\x80',
    '\xff',
    '\r\n ',
    '\r\n\t',
    ':',
    ';',
    ',',
  ],
  ...[
    '0\r\n\r\n',
    'chunked',
    'Content-Length: 0\r\n',
    'Transfer-Encoding: chunked\r\n',
    'HTTP/1.1',
    '-',
    '_',
    '#',
  ],
]

type Mutation = (random: Random, text: string) => string

const MUTATIONS: readonly Mutation[] = [
  // A bit, a byte.
  (random, text) => replaceAt(text, at(random, text), (byte) => byte ^ (1 << random.below(8))),
  (random, text) => replaceAt(text, at(random, text), () => random.below(256)),
  // Something more, something less.
  (random, text) => insert(text, at(random, text), random.pick(TOKENS)),
  (random, text) => insert(text, at(random, text), random.pick(TOKENS)),
  (random, text) => {
    const start = at(random, text)
    return text.slice(0, start) + text.slice(start + 1 + random.below(8))
  },
  (random, text) => text.slice(0, at(random, text)),
  (random, text) => text + random.pick(TOKENS),
  // Lines: twice, in another order, one of the wrong ones, broken in two.
  onLines((random, lines) => lines.toSpliced(random.below(lines.length), 0, random.pick(lines))),
  onLines((random, lines) => {
    const from = random.below(lines.length)
    return lines.toSpliced(from, 1).toSpliced(random.below(lines.length), 0, lines[from]!)
  }),
  onLines((random, lines) => lines.toSpliced(1 + random.below(lines.length), 0, random.pick(WRONG_LINES))),
  onLines((random, lines) => {
    const nth = random.below(lines.length)
    const line = lines[nth]!
    const cut = random.below(line.length + 1)
    return lines.toSpliced(nth, 1, line.slice(0, cut), line.slice(cut))
  }),
  // Line ends.
  (random, text) =>
    replaceNth(random, text, '\r\n', random.pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', ' \r\n', ''])),
  // Numbers: lengths, sizes, versions.
  (random, text) => replaceDigit(random, text),
  (random, text) => replaceNth(random, text, ':', random.pick([' :', '\t:', '::', ': :', '', ';'])),
]

/** One mutation or a few. */
export function mutate(random: Random, text: string): string {
  let mutated = text
  for (let left = 1 + random.below(3); left > 0; left--) mutated = random.pick(MUTATIONS)(random, mutated)
  return mutated.slice(0, STREAM_CHARACTERS_MAX)
}

/** Pieces of the whole stream, cut at random places; now and then every byte by itself. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  if (random.once(8)) return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  const places = Array.from({ length: 1 + random.below(6) }, () => random.below(bytes.length + 1))
  places.sort((a, b) => a - b)
  return [0, ...places].map((start, i) => bytes.subarray(start, places[i] ?? bytes.length))
}

function at(random: Random, text: string): number {
  return random.below(text.length + 1)
}

function insert(text: string, place: number, token: string): string {
  return text.slice(0, place) + token + text.slice(place)
}

function replaceAt(text: string, place: number, change: (byte: number) => number): string {
  const byte = String.fromCharCode(change(text.charCodeAt(place) || 0))
  return text.slice(0, place) + byte + text.slice(place + 1)
}

function replaceNth(random: Random, text: string, what: string, by: string): string {
  const parts = text.split(what)
  if (parts.length === 1) return text
  const nth = 1 + random.below(parts.length - 1)
  return parts.slice(0, nth).join(what) + by + parts.slice(nth).join(what)
}

function replaceDigit(random: Random, text: string): string {
  const places = [...text.matchAll(/\d/g)].map(({ index }) => index)
  return places.length === 0 ? text : replaceAt(text, random.pick(places), () => 0x30 + random.below(10))
}

function onLines(change: (random: Random, lines: string[]) => string[]): Mutation {
  return (random, text) => change(random, text.split('\r\n')).join('\r\n')
}
