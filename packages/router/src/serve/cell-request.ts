/**
 * The head of a request on its way to a cell: the lines that came, less those that ended at the router, and the router's
 * own word. A length is the client's own line, which was checked; `chunked` is written anew, like the chunks.
 */
import { HEADERS } from '@cellplane/contract'
import type { RequestHead } from '../http/request-head.ts'
import { CHUNKED } from '../http/request-scan.ts'
import type { CellConnection } from './cell-connection.ts'
import type { ClientConnection } from './client-connection.ts'
import type { RequestIdentity } from './request-identity.ts'

export type FromClient = {
  head: RequestHead
  identity: RequestIdentity
  client: Pick<ClientConnection, 'isTls' | 'source'>
  /** `replace`: nobody before this router is believed. `append`: what stands before it is trusted, and kept. */
  policy: 'replace' | 'append'
}

export type ToCell = {
  connection: Pick<CellConnection, 'pathPrefix' | 'authority'>
  /** The router's lines for this tenant and cell. */
  lines: string
  /** 0 for the first attempt. */
  attempt: number
}

export function formatCellRequest(from: FromClient, { connection, lines, attempt }: ToCell): string {
  const { head, identity } = from
  const prefix = head.target === '*' ? '' : connection.pathPrefix
  let text = `${head.method} ${prefix}${head.target} HTTP/1.1\r\n${head.lines}`
  if (head.host === '') text += `host: ${connection.authority}\r\n`
  text += `${HEADERS.requestId}: ${identity.requestId}\r\n${HEADERS.traceparent}: ${identity.traceparent}\r\n`
  if (identity.tracestate !== undefined) text += `tracestate: ${identity.tracestate}\r\n`
  text += formatForwarded(from) + lines
  if (attempt > 0) text += `${HEADERS.attempt}: ${attempt}\r\n`
  if (head.isWebSocket) text += 'connection: upgrade\r\nupgrade: websocket\r\n'
  if (head.bodyLength === CHUNKED) text += 'transfer-encoding: chunked\r\n'
  else if (!head.hasFraming && isUsuallyWithBody(head.method)) text += 'content-length: 0\r\n'
  return `${text}\r\n`
}

/** Where the request came from, for logs and links of the service. */
function formatForwarded({ head, client, policy }: FromClient): string {
  const proto = client.isTls ? 'https' : 'http'
  if (policy === 'replace') {
    return `x-forwarded-for: ${client.source}\r\nx-forwarded-proto: ${proto}\r\nx-forwarded-host: ${head.host}\r\n`
  }
  const { forwardedFor, forwardedProto = proto, forwardedHost = head.host, forwarded } = head
  const chain = forwardedFor === undefined ? client.source : `${forwardedFor}, ${client.source}`
  const standard = forwarded === undefined ? '' : `forwarded: ${forwarded}\r\n`
  return (
    `x-forwarded-for: ${chain}\r\nx-forwarded-proto: ${forwardedProto}\r\n` +
    `x-forwarded-host: ${forwardedHost}\r\n${standard}`
  )
}

/** A server may wait for the body of such a method until it is told that there is none. */
function isUsuallyWithBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}
