/**
 * Answers of a cell that break HTTP, by the id of their row in docs/http.md. Several answers in one row are spellings of
 * the same case. What stands after `THEN` comes in a packet of its own.
 */
export type AnswerCase = {
  readonly answers: readonly string[]
  /** The connection ends after it. */
  readonly isEnded?: boolean
  /** In one packet only: in several, its head would be relayed before the fault is there. */
  readonly isAtOnce?: boolean
}

/** The client has had the part before this when the part after it is sent. */
export const THEN = '\u2028'

const answer = (...answers: string[]): AnswerCase => ({ answers })
const ended = (...answers: string[]): AnswerCase => ({ answers, isEnded: true })
const ok = (...lines: string[]) => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
const chunked = (body: string) => `${ok('transfer-encoding: chunked')}${body}`

/** Broken before anything of it was relayed. */
export const REFUSED_ANSWERS: Readonly<Record<string, AnswerCase>> = {
  'answer-status-line': answer(
    'HTTP/1.1 2xx OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    'HTTP/1.1 600 OK\r\n\r\n',
    'HTTP/1.2 200 OK\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
    'hello, world\r\n\r\n',
    'HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n',
  ),
  'answer-length-and-encoding': answer(
    `${ok('content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n`,
    `${ok('transfer-encoding: chunked', 'content-length: 5')}hello`,
  ),
  'answer-length': answer(
    `${ok('content-length: 5', 'content-length: 5')}hello`,
    `${ok('content-length: 5', 'content-length: 6')}hello`,
    `${ok('content-length: 5, 5')}hello`,
    `${ok('content-length: +5')}hello`,
    `${ok('content-length:')}hello`,
    `${ok('content-length: 1000000000000000')}hello`,
  ),
  'answer-encoding': answer(
    ok('transfer-encoding: gzip, chunked'),
    ok('transfer-encoding: xchunked'),
    ok('transfer-encoding: chunked', 'transfer-encoding: chunked'),
    'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ),
  'answer-bodiless': answer(
    'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n',
    'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\n',
    'HTTP/1.1 100 Continue\r\ntransfer-encoding: chunked\r\n\r\n',
  ),
  'answer-header': answer(
    ok('content-length: 0', 'a: b\0c'),
    ok('content-length: 0', 'a: b\x01c'),
    ok('content-length: 0', 'a: b', ' c'),
    ok('content-length: 0', 'a : b'),
    ok('content-length: 0', 'a b'),
    ok('content-length: 0', 'a(b): c'),
    ok('content-length: 0', 'a: b\nc: d'),
    ok('content-length: 0', 'a: b\rc: d'),
  ),
  'answer-head-long': answer(
    ok('content-length: 0', `a: ${'b'.repeat(16_384)}`),
    ok('content-length: 0', ...Array<string>(128).fill('a: b')),
    `HTTP/1.1 200 ${'O'.repeat(20_000)}`,
  ),
  'answer-switch-unasked': answer(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  ),
  'answer-interim-endless': answer('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(17)),
  'answer-none': ended('', 'HTTP/1.1 200 OK\r\ncontent-len', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  'answer-chunk-at-once': {
    answers: [chunked('5;a=b\r\nhello\r\n0\r\n\r\n'), chunked('x\r\n'), chunked('5\r\nhelloworld')],
    isAtOnce: true,
  },
}

/** Broken after the client has had its head. */
export const CUT_ANSWERS: Readonly<Record<string, AnswerCase>> = {
  'answer-chunk-later': answer(
    chunked(`5\r\nhello\r\n${THEN}zz\r\n`),
    chunked(`5\r\nhello${THEN}world\r\n`),
    chunked(`5\r\nhello\r\n${THEN}0\r\na : b\r\n\r\n`),
    chunked(`5\r\nhello\r\n${THEN}0\r\ncontent-length: 5\r\n\r\n`),
  ),
  'answer-short': ended(`${ok('content-length: 10')}hello${THEN}`, chunked(`5\r\nhello\r\n${THEN}5\r\nhel`)),
}

/** Whole, but what follows it, or did not, makes the connection useless. */
export const DISCARDING_ANSWERS: Readonly<Record<string, AnswerCase>> = {
  'answer-excess': answer(
    `${ok('content-length: 2')}ok!`,
    `${ok('content-length: 2')}okHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged`,
    `${chunked('2\r\nok\r\n0\r\n\r\n')}\r\n`,
  ),
  'answer-excess-later': answer(
    `${ok('content-length: 2')}ok${THEN}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged`,
    `${ok('content-length: 2')}ok${THEN}!`,
  ),
  'answer-close': answer(
    `${ok('content-length: 2', 'Connection: Close')}ok`,
    'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok',
  ),
}
