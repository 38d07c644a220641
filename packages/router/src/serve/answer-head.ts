/** The head of a cell's answer on its way to the client: its lines, less those of its connection, and who answered. */
import { HEADERS } from '@cellplane/contract'
import { headerValue, keptLines } from '../http/head-scan.ts'
import { readConnection, withoutLines } from '../http/request-head.ts'
import { RESPONSE, type ResponseScan } from '../http/response-scan.ts'
import { statusLine } from './refusal.ts'

export type AnswerLines = {
  cell: string
  requestId: string
  isChunked: boolean
  /** `connection` header line, or empty. */
  connection: string
}

export function formatAnswerHead(scan: ResponseScan, text: string, lines: AnswerLines): string {
  const framing = lines.isChunked ? 'transfer-encoding: chunked\r\n' : ''
  return (
    `${statusAndLines(scan, text)}${HEADERS.cell}: ${lines.cell}\r\n${HEADERS.requestId}: ${lines.requestId}\r\n` +
    `${framing}${lines.connection}\r\n`
  )
}

/** 1xx: says nothing about its connection. */
export function formatInterimHead(scan: ResponseScan, text: string): string {
  return `${statusLine(scan.status)}${passingLines(scan, text)}\r\n`
}

/** 101: the connection is the cell's from now on. */
export function formatSwitchHead(scan: ResponseScan, text: string, cell: string, requestId: string): string {
  return (
    `${statusLine(101)}${passingLines(scan, text)}connection: upgrade\r\nupgrade: websocket\r\n` +
    `${HEADERS.cell}: ${cell}\r\n${HEADERS.requestId}: ${requestId}\r\n\r\n`
  )
}

function statusAndLines(scan: ResponseScan, text: string): string {
  if (scan.minor === 1 && !scan.has(RESPONSE.connection)) return keptLines(scan, text, scan.start)
  return `HTTP/1.1${text.slice(scan.start + 'HTTP/1.1'.length, scan.linesStart)}${passingLines(scan, text)}`
}

/** Less those that `connection` names: they are about the cell's connection. */
function passingLines(scan: ResponseScan, text: string): string {
  const lines = keptLines(scan, text, scan.linesStart)
  const connection = headerValue(scan, text, RESPONSE.connection)
  const named = connection === undefined ? [] : readConnection(connection).named
  const isEssential = (name: string) => name === 'content-length' || name === 'content-type'
  return named.length > 0 ? withoutLines(lines, new Set(named.filter((n) => !isEssential(n)))) : lines
}
