/**
 * Streams of requests and of answers, made from a grammar that is right most of the time and wrong in the ways that have
 * broken proxies. Mutations (`mutate.ts`) do the rest. All text is Latin-1.
 */
import type { Random } from './random.ts'
import * as words from './vocabulary.ts'

/** Wrong choices are as rare as one in so many, for each place that has one. */
const WRONG_ONCE_IN = 24

/** A client's stream: one message, or a few pipelined ones. */
export function generateRequests(random: Random): string {
  let text = ''
  for (let left = 1 + random.below(3); left > 0; left--) {
    if (random.once(16)) text += '\r\n'
    text += generateRequest(random)
  }
  return text
}

/** A cell's stream: interim answers, the final one, and now and then something after it. */
export function generateAnswers(random: Random): string {
  let text = ''
  for (let left = random.once(4) ? 1 + random.below(3) : 0; left > 0; left--) {
    text += `HTTP/1.1 ${random.pick(words.INTERIMS)}\r\n${formatLines(generateInterimLines(random))}`
  }
  if (random.once(24)) {
    const lines = ['Upgrade: websocket', ...generateInterimLines(random)]
    return `${text}HTTP/1.1 101 Switching Protocols\r\n${formatLines(lines)}\x81\x00`
  }
  const after = random.once(8) ? random.pick(['\r\n', 'x', generateAnswer(random)]) : ''
  return text + generateAnswer(random) + after
}

function generateRequest(random: Random): string {
  const isOld = random.once(8)
  const method = wrongly(random)
    ? random.pick(words.WRONG_METHODS)
    : random.pick(random.once(8) ? words.ODD_METHODS : words.METHODS)
  const target = wrongly(random)
    ? random.pick(words.WRONG_TARGETS)
    : random.pick(random.once(6) ? words.URLS : words.TARGETS)
  const version = wrongly(random) ? random.pick(words.WRONG_VERSIONS) : isOld ? 'HTTP/1.0' : 'HTTP/1.1'
  const lines = generateLines(random, words.LINES)
  const host = random.pick(wrongly(random) ? words.WRONG_HOSTS : words.HOSTS)
  if (host !== '') lines.splice(random.below(lines.length + 1), 0, host)
  if (isOld && random.once(2)) lines.push('Connection: keep-alive')
  const body = generateBody(random, method === 'GET' || isOld)
  return `${method} ${target} ${version}\r\n${formatLines([...lines, ...body.lines])}${body.text}`
}

function generateAnswer(random: Random): string {
  const version = wrongly(random)
    ? random.pick(words.WRONG_VERSIONS)
    : random.once(8)
      ? 'HTTP/1.0'
      : 'HTTP/1.1'
  const status = random.pick(wrongly(random) ? words.WRONG_STATUSES : words.STATUSES)
  const lines = generateLines(random, words.ANSWER_LINES)
  const body = generateBody(random, status.startsWith('204') || status.startsWith('304'))
  lines.splice(random.below(lines.length + 1), 0, ...body.lines)
  // Without any framing, all until the end of the connection.
  const data = body.lines.length === 0 && random.once(2) ? generateData(random) : body.text
  return `${version} ${status}\r\n${formatLines(lines)}${data}`
}

function wrongly(random: Random): boolean {
  return random.once(WRONG_ONCE_IN)
}

function generateLines(random: Random, list: readonly string[]): string[] {
  const lines = Array.from({ length: random.below(5) }, () => random.pick(list))
  return wrongly(random) ? [...lines, random.pick(words.WRONG_LINES)] : lines
}

function generateInterimLines(random: Random): string[] {
  return random.once(2) ? [] : generateLines(random, words.INTERIM_LINES)
}

/** With the blank line. */
function formatLines(lines: readonly string[]): string {
  return `${lines.map((line) => `${line}\r\n`).join('')}\r\n`
}

function generateBody(random: Random, isUsuallyNone: boolean): { lines: string[]; text: string } {
  const form =
    isUsuallyNone && !random.once(8)
      ? 'none'
      : random.pick(['none', 'length', 'length', 'chunked', 'chunked'])
  if (form === 'none') return { lines: [], text: '' }
  const data = generateData(random)
  if (form === 'chunked') {
    const line = random.pick(['Transfer-Encoding: chunked', 'transfer-encoding: CHUNKED'])
    return { lines: [line], text: chunk(random, data) }
  }
  const off = wrongly(random) ? random.below(5) - 2 : 0
  return { lines: [`Content-Length: ${data.length + off}`], text: data }
}

/** Some of it looks like framing, or like the next message. */
function generateData(random: Random): string {
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  const parts = ['a', 'abc', '\x00\xff', '\r\n', '0\r\n\r\n', smuggled, 'x'.repeat(300)]
  return Array.from({ length: random.below(5) }, () => random.pick(parts)).join('')
}

/** Errors inside a body are rarer, because there are more places for them. */
const WRONG_CHUNK_ONCE_IN = 60

function chunk(random: Random, data: string): string {
  let text = ''
  for (let at = 0; at < data.length; ) {
    const length = 1 + random.below(Math.min(64, data.length - at))
    const end = random.once(WRONG_CHUNK_ONCE_IN) ? '\n' : '\r\n'
    text += `${generateSize(random, length)}\r\n${data.slice(at, at + length)}${end}`
    at += length
  }
  const last = random.once(WRONG_CHUNK_ONCE_IN) ? random.pick(words.WRONG_LAST_SIZES) : '0'
  return `${text}${last}\r\n${generateTrailers(random)}\r\n`
}

function generateSize(random: Random, length: number): string {
  if (random.once(WRONG_CHUNK_ONCE_IN)) return random.pick(words.WRONG_SIZES)
  const off = random.once(WRONG_CHUNK_ONCE_IN) ? random.below(3) - 1 : 0
  const size = (length + off).toString(16)
  return random.pick([size, size, size.toUpperCase(), size.padStart(4, '0')])
}

function generateTrailers(random: Random): string {
  if (!random.once(4)) return ''
  // Around the limit.
  if (random.once(12)) return `X-Long: ${'l'.repeat(4_080 + random.below(16))}\r\n`
  const list = random.once(8) ? words.WRONG_LINES : words.TRAILERS
  return Array.from({ length: 1 + random.below(3) }, () => `${random.pick(list)}\r\n`).join('')
}
