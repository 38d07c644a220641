/**
 * HAProxy doing the router's job in its own way, tuned: what an engineer would run who had no cellplane.
 *
 * - *Routing*: the pins' map is asked first, then `xxh32(seed) & 65535` and a map of 65,536 rows. Both are `map_str`, a
 *   tree; `map_int` scans. A row is `home|shard|generation|alternate`, so that one look-up answers everything.
 * - *Health*: `nbsrv` of the home decides between home and alternate (a stopping worker counts none, hence the guard).
 *   Servers have active checks, and leave after five failures in a row (`observe layer7`).
 * - *Limits*: a stick table counts each tenant's requests, by the hash that is there already (integers are found
 *   faster than strings); `maxconn` and a bounded queue are the cell's ceiling.
 * - `tune.pattern.cache-size 0` (haproxy.ts): 8,192 tenants thrash the cache of 10,000 patterns, and it costs a tenth.
 * - *Headers*: those that the router writes to a cell and to a client, and no others; forged `cellplane-*` go. Constants
 *   are written in the cell's backend, where they cost no expression. No `traceparent`: HAProxy has no cheap way.
 * - *Access log*: one request in 100; the level is set before the line would be built.
 *
 * `haproxy-cell-lean` leaves out what is not routing, health or limits: the least that could be called cell routing.
 */

import { TENANT_HEADER } from '../workload.ts'
import type { Contestant, Environment } from './contestant.ts'
import { haproxyContestant, type Sections } from './haproxy.ts'

/** Far above what a tenant of the bench sends: the limit is kept, and never met. */
const TENANT_REQUESTS_PER_SECOND_MAX = 100_000
const LOGGED_ONE_IN = 100

export const haproxyCell: Contestant = haproxyContestant('haproxy-cell', true, fullSections)
export const haproxyCellLean: Contestant = haproxyContestant('haproxy-cell-lean', true, leanSections)

function fullSections(bind: string, environment: Environment, folder: string): Sections {
  const inFrontend = [
    'option httplog',
    'log global',
    `http-request set-log-level silent unless { rand(${LOGGED_ONE_IN}) lt 1 }`,
    'http-request del-header cellplane- -m beg',
    'http-request set-header cellplane-tenant %[var(txn.tenant)]',
    'http-request set-header cellplane-shard %[var(txn.row),field(2,|)]',
    'http-request set-header cellplane-role home',
    'http-request set-header cellplane-role alternate if { var(txn.alternate) -m found }',
    'http-request set-header x-request-id %[uuid()] unless { req.hdr(x-request-id) -m found }',
    'http-request set-var(txn.id) req.hdr(x-request-id)',
    'http-request set-header x-forwarded-for %[src]',
    'http-request set-header x-forwarded-proto http',
    'http-request set-header x-forwarded-host %[req.hdr(host)]',
  ]
  const inBackend = (cell: string) => [
    `http-request set-header cellplane-cell ${cell}`,
    `http-request set-header cellplane-secret ${environment.fleet.secretOf(cell)}`,
    `http-response set-header cellplane-cell ${cell}`,
    'http-response set-header x-request-id %[var(txn.id)]',
  ]
  return sections(bind, environment, folder, inFrontend, inBackend)
}

function leanSections(bind: string, environment: Environment, folder: string): Sections {
  return sections(bind, environment, folder, [], (cell) => [`http-request set-header cellplane-cell ${cell}`])
}

function sections(
  bind: string,
  environment: Environment,
  folder: string,
  inFrontend: readonly string[],
  inBackend: (cell: string) => readonly string[],
): Sections {
  return {
    text: [
      frontend(bind, folder, environment.fleet.base.hash.seed, inFrontend),
      ...backends(environment, inBackend),
    ].join('\n'),
    files: maps(environment),
  }
}

function frontend(bind: string, folder: string, seed: number, more: readonly string[]): string {
  const lines = [
    bind,
    `http-request set-var(txn.tenant) req.hdr(${TENANT_HEADER})`,
    'http-request set-var(txn.tenant) src unless { var(txn.tenant) -m found }',
    `http-request set-var(txn.hash) var(txn.tenant),xxh32(${seed})`,
    'http-request track-sc0 var(txn.hash) table tenants',
    `http-request deny deny_status 429 if { sc0_http_req_rate gt ${TENANT_REQUESTS_PER_SECOND_MAX} }`,
    `http-request set-var(txn.row) var(txn.tenant),map_str(${folder}/pins.map)`,
    `http-request set-var(txn.row) var(txn.hash),and(65535),map_str(${folder}/rows.map) unless { var(txn.row) -m found }`,
    'http-request set-var(txn.alternate) var(txn.row),field(4,|) if { var(txn.row),field(1,|),nbsrv eq 0 } !{ stopping }',
    'http-request set-header cellplane-generation %[var(txn.row),field(3,|)]',
    ...more,
    'use_backend %[var(txn.alternate)] if { var(txn.alternate) -m found }',
    'use_backend %[var(txn.row),field(1,|)]',
  ]
  return `frontend public\n  ${lines.join('\n  ')}

backend tenants
  stick-table type integer size 100k expire 60s store http_req_rate(1s)
`
}

function backends({ fleet, ports }: Environment, headers: (cell: string) => readonly string[]): string[] {
  return fleet.cellIds.map(
    (cell, i) => `backend ${cell}
  ${headers(cell).join('\n  ')}
  server ${cell} 127.0.0.1:${ports[i]} check inter 2s observe layer7 error-limit 5 on-error mark-down maxconn 256 maxqueue 64
`,
  )
}

function maps({ fleet }: Environment): Record<string, string> {
  const row = (cells: readonly number[], generation: number) => {
    const [home, alternate] = cells.map((cell) => fleet.cellIds[cell])
    return `${home}|${home},${alternate}|${generation}|${alternate}`
  }
  return {
    'rows.map': fleet.rows.map((cells, bucket) => `${bucket} ${row(cells, 0)}\n`).join(''),
    'pins.map': fleet.overrides
      .map(({ tenant, cells, generation }) => `${tenant} ${row(cells, generation)}\n`)
      .join(''),
  }
}
