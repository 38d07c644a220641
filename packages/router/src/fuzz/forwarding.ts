/**
 * The properties of what leaves the router: to llhttp it is exactly one message, the one that came in, without the
 * headers that end at the router and with the router's own.
 *
 * Which headers those are is written here a second time, in the plainest way, so that the tables of the scanners are
 * checked against something.
 */
import { areEqualLines, unequal } from './agreement.ts'
import { readWithLlhttp } from './llhttp.ts'
import { type HeaderLine, type Message, splitHeaderLines, trimBlanks } from './message.ts'
import type { AnswerCircumstances } from './router-answers.ts'
import { PATH_PREFIX, TENANT_LINES } from './router-requests.ts'

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']
const NEVER_FROM_CLIENTS = [
  ...['te', 'expect', 'http2-settings', 'proxy-authenticate', 'proxy-authorization'],
  ...['x-cell', 'x-request-id', 'traceparent', 'tracestate', 'forwarded'],
]
const NEVER_FROM_CELLS = ['proxy-authenticate', 'x-request-id']
const ROUTERS_FAMILIES = ['cellplane-', 'x-forwarded-']

/** Kept although `connection` names them: without them it would be another message. */
const PROTECTED_IN_REQUESTS = [
  'host',
  'content-length',
  'authorization',
  'idempotency-key',
  'cookie',
  'x-tenant',
]
const PROTECTED_IN_ANSWERS = ['content-length', 'content-type']

const NEVER_IN_TRAILERS = [
  ...['http2-settings', 'proxy-authenticate', 'proxy-authorization', 'tracestate'],
  ...[
    ...HOP_BY_HOP,
    'content-length',
    'host',
    'te',
    'trailer',
    'expect',
    'authorization',
    'cookie',
    'set-cookie',
  ],
  ...['x-cell', 'x-request-id', 'idempotency-key', 'traceparent', 'forwarded'],
]

/** As servers that imitate CGI read it. */
const spelled = (name: string) => name.toLowerCase().replaceAll('_', '-')

/** `received` is the router's reading of a request, `text` what it would send to a cell for it. */
export function wrongInForwardedRequest(received: Message, text: string): string {
  const { messages, problem } = readWithLlhttp(Buffer.from(text, 'latin1'), { kind: 'requests' })
  const [sent, ...more] = messages
  if (!sent || problem !== '') return `forwarded: llhttp says ${problem || 'that it is not whole'}`
  if (more.length > 0 || sent.end !== text.length)
    return 'forwarded: llhttp sees more or less than one request'
  const { target, host } = originForm(received)
  if (sent.method !== received.method) return unequal('forwarded method', sent.method, received.method)
  if (sent.target !== target) return unequal('forwarded target', sent.target, target)
  if (sent.body !== received.body) return unequal('forwarded body', sent.body, received.body)
  if (host !== undefined && valuesOf(sent, 'host').join() !== host)
    return unequal('forwarded host', valuesOf(sent, 'host'), host)
  const count = (name: string) => valuesOf(sent, name).length
  if (count('host') !== 1) return `forwarded: ${count('host')} host headers`
  if (count('content-length') + count('transfer-encoding') > 1) return 'forwarded: it is framed in two ways'
  if (count('x-request-id') !== 1 || count('traceparent') !== 1)
    return 'forwarded: ids are missing or twofold'
  return wrongTrailers(sent.trailers) || wrongRequestHeaders(received, sent, host !== undefined)
}

function wrongRequestHeaders(received: Message, sent: Message, isHostReplaced: boolean): string {
  const isWebSocket = valuesOf(sent, 'upgrade').join() === 'websocket'
  const own = [
    ...splitHeaderLines(TENANT_LINES).map(([name]) => name),
    ...['x-request-id', 'traceparent', 'tracestate', 'forwarded'],
    ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'],
    // The length 0 of a method that usually has a body.
    ...['host', 'transfer-encoding', 'content-length'],
    ...(isWebSocket ? ['connection', 'upgrade'] : []),
  ]
  const named = namedByConnection(received, PROTECTED_IN_REQUESTS)
  const isCut = ([name]: HeaderLine) =>
    isOfRouter(name) ||
    [...HOP_BY_HOP, ...NEVER_FROM_CLIENTS].includes(spelled(name)) ||
    named.has(name.toLowerCase())
  const isHiddenFraming = ([name]: HeaderLine) =>
    name.includes('_') && PROTECTED_IN_REQUESTS.includes(spelled(name))
  const wanted = received.headers.filter(
    (line) => !isCut(line) && !isHiddenFraming(line) && !(isHostReplaced && spelled(line[0]) === 'host'),
  )
  return wrongLines(sent.headers, wanted, own)
}

/** `received` is the router's reading of a cell's stream, `text` what it would send to the client for it. */
export function wrongInForwardedAnswer(
  received: readonly Message[],
  text: string,
  { isHead, clientMinor }: AnswerCircumstances,
): string {
  const perspective = { kind: 'answers', isHead, hasEnded: true } as const
  const { messages, problem } = readWithLlhttp(Buffer.from(text, 'latin1'), perspective)
  if (problem !== '') return `forwarded: llhttp says ${problem}`
  const expected = received.filter(({ status }) => status >= 200 || (status !== 100 && clientMinor === 1))
  const got = messages.map(({ status }) => status)
  if (got.join() !== expected.map(({ status }) => status).join())
    return unequal(
      'forwarded answers',
      got,
      expected.map(({ status }) => status),
    )
  for (const [i, sent] of messages.entries()) {
    const why = wrongAnswer(expected[i]!, sent)
    if (why !== '') return why
  }
  const end = messages.at(-1)?.end
  return end === text.length ? '' : unequal('end of the forwarded answer', end, text.length)
}

function wrongAnswer(received: Message, sent: Message): string {
  if (sent.body !== received.body) return unequal('forwarded body', sent.body, received.body)
  const framings = valuesOf(sent, 'content-length').length + valuesOf(sent, 'transfer-encoding').length
  if (framings > 1) return 'forwarded: the answer is framed in two ways'
  const isSwitch = received.status === 101
  const own = [
    'cellplane-cell',
    'x-request-id',
    ...(isSwitch ? ['connection', 'upgrade'] : ['transfer-encoding']),
  ]
  const named = namedByConnection(received, PROTECTED_IN_ANSWERS)
  const isCut = ([name]: HeaderLine) =>
    isOfRouter(name) ||
    [...HOP_BY_HOP, ...NEVER_FROM_CELLS].includes(spelled(name)) ||
    named.has(name.toLowerCase())
  const isHiddenFraming = ([name]: HeaderLine) =>
    name.includes('_') && PROTECTED_IN_ANSWERS.includes(spelled(name))
  const wanted = received.headers.filter((line) => !isCut(line) && !isHiddenFraming(line))
  return wrongTrailers(sent.trailers) || wrongLines(sent.headers, wanted, own)
}

/** `sent` must be the wanted lines in their order, and besides only lines of the router's own, each once. */
function wrongLines(
  sent: readonly HeaderLine[],
  wanted: readonly HeaderLine[],
  own: readonly string[],
): string {
  let at = 0
  const added: string[] = []
  for (const line of sent) {
    const next = wanted[at]
    if (next && areEqualLines([line], [next])) at++
    else if (own.includes(line[0]) && !added.includes(line[0])) added.push(line[0])
    else return `forwarded: the header ${JSON.stringify(line)} should not be there`
  }
  return at === wanted.length ? '' : `forwarded: the header ${JSON.stringify(wanted[at])} is lost`
}

function wrongTrailers(trailers: readonly HeaderLine[]): string {
  const wrong = trailers.find(([name]) => isOfRouter(name) || NEVER_IN_TRAILERS.includes(spelled(name)))
  return wrong ? `forwarded: the trailer ${JSON.stringify(wrong)} should not be there` : ''
}

function isOfRouter(name: string): boolean {
  return ROUTERS_FAMILIES.some((family) => spelled(name).startsWith(family) && name.length > family.length)
}

function namedByConnection(message: Message, kept: readonly string[]): Set<string> {
  const names = valuesOf(message, 'connection')
    .flatMap((value) => value.split(','))
    .map((name) => trimBlanks(name).toLowerCase())
  return new Set(names.filter((name) => !kept.includes(name)))
}

function valuesOf(message: Message, wanted: string): string[] {
  return message.headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)
}

/** What a cell is asked for: `http://host/path` is taken apart into a path and a host. */
function originForm({ target }: Message): { target: string; host: string | undefined } {
  const url = /^https?:\/\/([^/?]*)(.*)$/.exec(target)
  if (url) return { target: PATH_PREFIX + (url[2]!.startsWith('/') ? url[2]! : `/${url[2]!}`), host: url[1]! }
  return { target: target === '*' ? target : PATH_PREFIX + target, host: undefined }
}
