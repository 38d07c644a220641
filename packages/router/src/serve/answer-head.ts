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
  return `${statusLine(scan.status)}${keptLines(scan, text, scan.linesStart)}\r\n`
}

/** 101: the connection is the cell's from now on. */
export function formatSwitchHead(scan: ResponseScan, text: string, cell: string, requestId: string): string {
  return (
    `${statusLine(101)}${keptLines(scan, text, scan.linesStart)}connection: upgrade\r\nupgrade: websocket\r\n` +
    `${HEADERS.cell}: ${cell}\r\n${HEADERS.requestId}: ${requestId}\r\n\r\n`
  )
}

function statusAndLines(scan: ResponseScan, text: string): string {
  const connection = headerValue(scan, text, RESPONSE.connection)
  const named = connection === undefined ? [] : readConnection(connection).named
  if (scan.minor === 1 && named.length === 0) return keptLines(scan, text, scan.start)
  const lines = keptLines(scan, text, scan.linesStart)
  const status = `HTTP/1.1${text.slice(scan.start + 'HTTP/1.1'.length, scan.linesStart)}`
  const isEssential = (name: string) => name === 'content-length' || name === 'content-type'
  return (
    status + (named.length > 0 ? withoutLines(lines, new Set(named.filter((n) => !isEssential(n)))) : lines)
  )
}
