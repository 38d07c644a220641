/**
 * Chunked bodies that the router refuses, by the id of their row in docs/http.md. Their heads are in order, so a cell
 * may have been sent the part before the fault; never a whole request.
 */
import { head } from './ground.ts'
import type { RefusedCase } from './refused-heads.ts'

const chunked = (body: string) => `${head('POST /', 'transfer-encoding: chunked')}${body}`
const refuse = (...bodies: string[]): RefusedCase => ({ requests: bodies.map(chunked) })
const split = (...bodies: string[]): RefusedCase => ({ requests: bodies.map(chunked), isSplit: true })

export const REFUSED_BODIES: Readonly<Record<string, RefusedCase>> = {
  'chunk-size-empty': refuse('\r\n\r\n', '5\r\nhello\r\n\r\n\r\n'),
  'chunk-size-signed': refuse('-5\r\nhello\r\n0\r\n\r\n', '+5\r\nhello\r\n0\r\n\r\n'),
  'chunk-size-white-space': refuse(
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '5\t\r\nhello\r\n0\r\n\r\n',
    '0 \r\n\r\n',
  ),
  'chunk-size-malformed': refuse(
    '0x5\r\nhello\r\n0\r\n\r\n',
    'G\r\nhello\r\n0\r\n\r\n',
    '5,\r\nhello\r\n0\r\n\r\n',
    '5\0\r\nhello\r\n0\r\n\r\n',
  ),
  'chunk-size-large': refuse(
    '00000000000005\r\nhello\r\n0\r\n\r\n',
    'FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n',
  ),
  'chunk-size-bare': split('5\nhello\r\n0\r\n\r\n', '5\rhello\r\n0\r\n\r\n', '5\r\nhello\r\n0\n\r\n'),
  'chunk-extension': split(
    '5;a=b\r\nhello\r\n0\r\n\r\n',
    '5;\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0;a\r\n\r\n',
  ),
  'chunk-end-missing': split(
    '5\r\nhello0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello\r0\r\n\r\n',
    '5\r\nhellox\n0\r\n\r\n',
    '5\r\nhello\n\n0\r\n\r\n',
    '5\r\nhelloworld\r\n0\r\n\r\n',
  ),
  'trailer-bare': refuse('0\r\na: b\nc: d\r\n\r\n', '0\r\na: b\rc: d\r\n\r\n', '0\r\na: b\r\n\n'),
  'trailer-invalid': refuse(
    '0\r\nabc\r\n\r\n',
    '0\r\n: b\r\n\r\n',
    '0\r\na : b\r\n\r\n',
    '0\r\na: b\r\n c\r\n\r\n',
    '0\r\na: b\0\r\n\r\n',
  ),
  'trailer-framing': refuse(
    '0\r\ncontent-length: 5\r\n\r\n',
    '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    '0\r\nconnection: close\r\n\r\n',
    '0\r\nproxy-connection: close\r\n\r\n',
    '0\r\nupgrade: websocket\r\n\r\n',
  ),
  'trailer-long': refuse(
    `0\r\na: ${'b'.repeat(4_096)}\r\n\r\n`,
    `0\r\n${`a: ${'b'.repeat(1_000)}\r\n`.repeat(5)}\r\n`,
  ),
  'trailer-lines': refuse(`0\r\n${'a: b\r\n'.repeat(129)}\r\n`),
}
