/**
 * Headers across the router, both ways.
 *
 * Towards a cell: everything that belongs to the client's connection goes, everything that only a router may say goes,
 * and the router's own word is added. Towards the client: the same, and the name of the cell that answered.
 *
 * Headers are flat lists (name, value, name, value …), as Node reads and writes them: order and repetitions survive.
 */
import { CELLPLANE_HEADER_PREFIX, HEADERS } from '@cellplane/contract'
import type { Cell } from '../cells/cell.ts'
import type { Caller } from './caller.ts'
import { type RequestHead, traceparentOf } from './request-head.ts'

/** RFC 9110, section 7.6.1, and `expect`, which the router has answered. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])

/** The router's own words, which a client or a cell might imitate. */
const SAID_BY_ROUTER = new Set<string>([
  HEADERS.requestId,
  HEADERS.traceparent,
  HEADERS.wantedCell,
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

export type Destination = {
  cell: Cell
  role: 'home' | 'alternate'
  generation: number
  /** Ids of the tenant's cells, home first. */
  shard: readonly string[]
  /** 0 for the first attempt. */
  attempt: number
}

/** The headers of a request on its way to a cell. */
export function headersToCell(head: RequestHead, caller: Caller, to: Destination): string[] {
  const { traceparent, isNew } = traceparentOf(head.header(HEADERS.traceparent))
  const headers = forwardable(head.rawHeaders, (name) => isNew && name === 'tracestate')
  headers.push(
    ...[HEADERS.requestId, head.requestId, HEADERS.traceparent, traceparent],
    ...['x-forwarded-for', head.source, 'x-forwarded-proto', 'http'],
    ...['x-forwarded-host', head.host],
    ...[HEADERS.cell, to.cell.id, HEADERS.role, to.role, HEADERS.generation, String(to.generation)],
    ...[HEADERS.shard, to.shard.join(','), HEADERS.secret, to.cell.secret],
  )
  if (caller.isTenant) headers.push(HEADERS.tenant, encodeHeader(caller.key))
  if (to.attempt > 0) headers.push(HEADERS.attempt, String(to.attempt))
  return headers.concat(framing(head))
}

/** The headers of an answer on its way to the client. */
export function headersToClient(rawHeaders: readonly string[], cell: Cell, requestId: string): string[] {
  return [...forwardable(rawHeaders, () => false), HEADERS.cell, cell.id, HEADERS.requestId, requestId]
}

/** A new list without hop-by-hop headers, those that `connection` names, and the router's own words. */
function forwardable(rawHeaders: readonly string[], isUnwanted: (name: string) => boolean): string[] {
  const named = connectionOptions(rawHeaders)
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (HOP_BY_HOP.has(name) || named.has(name) || isImitation(name) || isUnwanted(name)) continue
    kept.push(rawHeaders[i]!, rawHeaders[i + 1]!)
  }
  return kept
}

/** CGI-like servers read `_` as `-`, so a forged name must not get through in that spelling either. */
function isImitation(name: string): boolean {
  const spelled = name.replaceAll('_', '-')
  return spelled.startsWith(CELLPLANE_HEADER_PREFIX) || SAID_BY_ROUTER.has(spelled)
}

/** Never `content-length` or `host`: dropping those by a client's wish would change what the request is. */
function connectionOptions(rawHeaders: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== 'connection') continue
    for (const option of rawHeaders[i + 1]!.split(',')) named.add(option.trim().toLowerCase())
  }
  named.delete('content-length')
  named.delete('host')
  named.delete('authorization')
  return named
}

/**
 * How the cell knows where the body ends. A length is forwarded as it came; a chunked body is chunked anew; a method
 * that usually has a body says so when it has none.
 */
function framing(head: RequestHead): string[] {
  if (head.header('transfer-encoding') !== undefined) return ['transfer-encoding', 'chunked']
  const isUsual = head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH'
  return isUsual && head.header('content-length') === undefined ? ['content-length', '0'] : []
}

/** Node writes header text as Latin-1; a key goes out as the bytes of its UTF-8. */
function encodeHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
