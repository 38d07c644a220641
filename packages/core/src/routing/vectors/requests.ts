/**
 * The requests of the routing vectors, and whose each is, which is said by hand: what a text means as a key is a rule to
 * be read, not a result to be computed.
 */
import { idAt, QUARANTINED, tenantOf, type VectorFleetName } from './fleets.ts'
import type { VectorCaller } from './reference.ts'
import type { VectorMoment, VectorRequest } from './vectors.ts'

export type VectorAsk = {
  name: string
  request: VectorRequest
  caller: VectorCaller
  moment?: VectorMoment
}

const SOURCE = '127.0.0.1'

const REQUEST: VectorRequest = {
  ...{ method: 'GET', target: '/', host: 'api.test', headers: {}, source: SOURCE },
}

const REFUSED: VectorCaller = { refusal: 'PARTITION_KEY_INVALID' }

export function requestsOf(fleet: string): VectorAsk[] {
  const asks: Record<VectorFleetName, () => VectorAsk[]> = {
    keys: keyAsks,
    'keys in lower case': lowerCaseAsks,
    'home first': () => [...shardAsks(), ...namingAsks()],
    'home first, two cells marked': () => [...shardAsks(), ...namingAsks(), ...policyAsks()],
    'home first, most cells marked': shardAsks,
    'least loaded': () => [...shardAsks(), ...momentAsks()],
    'least loaded, a cell marked': () => [...shardAsks(), ...momentAsks()],
    weighted: () => [...shardAsks(), ...momentAsks()],
    stateful: () => [...shardAsks(), ...namingAsks()],
    'stateful, two cells marked': () => [...shardAsks(), ...namingAsks(), ...policyAsks()],
    redirect: () => [...shardAsks(), ...redirectAsks()],
    'redirect, two cells marked': () => [...shardAsks(), ...policyAsks(), ...redirectAsks()],
  }
  return asks[fleet as VectorFleetName]()
}

/** In the fleet `keys`: header, jwt, query, cookie, path, sni, subdomain. */
function keyAsks(): VectorAsk[] {
  const of = (rule: number, key = 'acme'): VectorCaller => ({ key, rule })
  const header = (value: string) => ({ headers: { 'x-tenant': value } })
  const cookie = (value: string) => ({ headers: { cookie: value } })
  return [
    ask('header', header('acme'), of(0)),
    ask('header in UTF-8', header('mühle-東京'), of(0, 'mühle-東京')),
    ask('header, case as it is', header('ACME'), of(0, 'ACME')),
    ask('header, the longest', header('x'.repeat(256)), of(0, 'x'.repeat(256))),
    ask('header, too long', header('x'.repeat(257)), REFUSED),
    ask('header, too long in UTF-8', header('é'.repeat(129)), REFUSED),
    ask('header, empty', header(''), REFUSED),
    ask('header, empty, before a good parameter', { ...header(''), target: '/?tenant=acme' }, REFUSED),
    ask(
      'header before all others',
      { ...header('acme'), target: '/t/b?tenant=c', host: 'd.example.com' },
      of(0),
    ),
    ask('token', bearer({ customer_id: 'acme' }), of(1)),
    ask('token before a parameter', { ...bearer({ customer_id: 'acme' }), target: '/?tenant=b' }, of(1)),
    ask('another scheme is no token', { headers: { authorization: 'Basic eDp5' } }, 'nobody'),

    ask('query', { target: '/orders?tenant=acme' }, of(2)),
    ask('query, among others', { target: '/orders?page=2&tenant=acme&x' }, of(2)),
    ask('query, percent-decoded once', { target: '/?tenant=a%252Fb' }, of(2, 'a%2Fb')),
    ask('query, UTF-8', { target: '/?tenant=m%C3%BChle' }, of(2, 'mühle')),
    ask('query, + stays +', { target: '/?tenant=a+b' }, of(2, 'a+b')),
    ask('query, = in the value', { target: '/?tenant=a=b' }, of(2, 'a=b')),
    ask('query, %26 and %3B in the value', { target: '/?tenant=a%26b%3Bc' }, of(2, 'a&b;c')),
    ask('query, a name that only begins so', { target: '/?tenants=acme&tenant[]=b&Tenant=c' }, 'nobody'),
    ask('query, the name in the path', { target: '/tenant=acme' }, 'nobody'),
    ask('query, twice', { target: '/?tenant=acme&tenant=acme' }, REFUSED),
    ask('query, twice, once without a value', { target: '/?tenant=acme&tenant' }, REFUSED),
    ask('query, its name percent-encoded', { target: '/?%74enant=acme' }, REFUSED),
    ask('query, twice, once percent-encoded', { target: '/?tenant=acme&t%65nant=b' }, REFUSED),
    ask('query, behind a semicolon', { target: '/?x=1;tenant=acme' }, REFUSED),
    ask('query, before a semicolon', { target: '/?tenant=acme;x=1' }, REFUSED),
    ask('query, empty', { target: '/?tenant=' }, REFUSED),
    ask('query, without =', { target: '/?tenant' }, REFUSED),
    ask('query, a broken escape', { target: '/?tenant=%zz' }, REFUSED),
    ask('query, an escape cut off', { target: '/?tenant=acme%4' }, REFUSED),
    ask('query, not UTF-8', { target: '/?tenant=%ff' }, REFUSED),
    ask('query, an overlong form', { target: '/?tenant=%c0%af' }, REFUSED),
    ask('query, a control character', { target: '/?tenant=a%00' }, REFUSED),
    ask('query, white space at an end', { target: '/?tenant=%20acme' }, REFUSED),
    ask('query, too long', { target: `/?tenant=${'x'.repeat(257)}` }, REFUSED),

    ask('cookie', cookie('tenant=acme'), of(3)),
    ask('cookie, among others', cookie('a=1; tenant=acme; b="2"'), of(3)),
    ask('cookie, without a space', cookie('a=1;tenant=acme'), of(3)),
    ask('cookie, not decoded', cookie('tenant=a%20b+c'), of(3, 'a%20b+c')),
    ask('cookie, = in the value', cookie('tenant=a=b'), of(3, 'a=b')),
    ask('cookie, another name', cookie('Tenant=acme; tenants=b; xtenant=c'), 'nobody'),
    ask('cookie, twice', cookie('tenant=acme; tenant=acme'), REFUSED),
    ask('cookie, in quotes', cookie('tenant="acme"'), REFUSED),
    ask('cookie, empty', cookie('tenant='), REFUSED),
    ask('cookie, without =', cookie('a=1; tenant'), REFUSED),
    ask('cookie, a comma', cookie('tenant=acme,b'), REFUSED),
    ask('cookie, a backslash', cookie('tenant=a\\b'), REFUSED),
    ask('cookie, white space inside', cookie('tenant=a b'), REFUSED),
    ask('cookie, white space before =', cookie('tenant =acme'), REFUSED),
    ask('cookie, beyond ASCII', cookie('tenant=mühle'), REFUSED),
    ask('cookie, inside an open quote', cookie('a="1; tenant=acme; b=2"'), REFUSED),

    ask('path', { target: '/t/acme/orders' }, of(4)),
    ask('path, the whole of it', { target: '/t/acme' }, of(4)),
    ask('path, before a query', { target: '/t/acme?x=/y' }, of(4)),
    ask('path, percent-decoded once', { target: '/t/a%252Fb/c' }, of(4, 'a%2Fb')),
    ask('path, an encoded slash', { target: '/t/a%2Fb/c' }, of(4, 'a/b')),
    ask('path, another one', { target: '/other/acme' }, 'nobody'),
    ask('path, empty', { target: '/t//orders' }, REFUSED),
    ask('path, a broken escape', { target: '/t/%/orders' }, REFUSED),
    ask('path, a dot segment', { target: '/t/../t/acme' }, REFUSED),
    ask('path, an encoded dot segment', { target: '/t/%2e%2E/t/acme' }, REFUSED),

    ask('sni', { server_name: 'acme.tls.example.com' }, of(5)),
    ask('sni, in other letters', { server_name: 'ACME.TLS.Example.com' }, of(5)),
    ask(
      'sni, with its own host',
      { server_name: 'acme.tls.example.com', host: 'acme.tls.example.com:443' },
      of(5),
    ),
    ask(
      'sni, with another tenant’s host',
      { server_name: 'acme.tls.example.com', host: 'b.tls.example.com' },
      {
        refusal: 'CONNECTION_MISDIRECTED',
      },
    ),
    ask('sni, deeper', { server_name: 'a.acme.tls.example.com' }, 'nobody'),
    ask('sni, elsewhere', { server_name: 'acme.example.org' }, 'nobody'),

    ask('subdomain', { host: 'acme.example.com' }, of(6)),
    ask('subdomain, in other letters, with port and final dot', { host: 'ACME.Example.COM.:8080' }, of(6)),
    ask('subdomain, deeper', { host: 'a.acme.example.com' }, 'nobody'),
    ask('subdomain, the domain itself', { host: 'example.com' }, 'nobody'),
    ask('subdomain, a name that only ends so', { host: 'badexample.com' }, 'nobody'),
    ask('subdomain, empty', { host: '.example.com' }, REFUSED),
    ask('nothing', {}, 'nobody'),
  ]
}

/** In the fleet `keys in lower case`: header, jwt, query, cookie, path. */
function lowerCaseAsks(): VectorAsk[] {
  const of = (rule: number, key = 'acme'): VectorCaller => ({ key, rule })
  return [
    ask('header', { headers: { 'x-tenant': 'AcMe' } }, of(0)),
    ask('header, letters beyond ASCII stay', { headers: { 'x-tenant': 'MÜHLE' } }, of(0, 'mÜhle')),
    ask(
      'header, an override by its lower case',
      { headers: { 'x-tenant': tenantOf(0).toUpperCase() } },
      of(0, tenantOf(0)),
    ),
    ask('token', bearer({ customer_id: 'ACME' }), of(1)),
    ask('query', { target: '/?tenant=ACME' }, of(2)),
    ask('query, a letter that was encoded', { target: '/?tenant=%41cme' }, of(2)),
    ask('query, names keep their case', { target: '/?TENANT=ACME' }, 'nobody'),
    ask('cookie', { headers: { cookie: 'tenant=ACME' } }, of(3)),
    ask('path', { target: '/t/ACME/Orders' }, of(4)),
    ask('path, the prefix keeps its case', { target: '/T/ACME' }, 'nobody'),
  ]
}

/** A tenant of every bucket, so each override's reason and the quarantine too. */
function shardAsks(): VectorAsk[] {
  const tenants = [...Array.from({ length: 16 }, (_, bucket) => tenantOf(bucket)), 'mühle-東京']
  return [
    ...tenants.flatMap((tenant) => [
      ofTenant(`${tenant} reads`, tenant, {}),
      ofTenant(`${tenant} writes`, tenant, { method: 'POST', target: '/undeclared' }),
    ]),
    ask('no key', {}, 'nobody'),
    ask('a token', bearer({ customer_id: tenantOf(7) }), { key: tenantOf(7), rule: 0 }),
  ]
}

/** Ids and `x-cell` of every cell: the tenant's own, its former ones, and strangers'. */
function namingAsks(): VectorAsk[] {
  const cells = [0, 1, 2, 3, 4, 5, 6]
  // By the table; by a pin; with a home that drains; in quarantine by its bucket, and by a pin.
  const tenants = [tenantOf(6), tenantOf(4), tenantOf(2), ...QUARANTINED]
  return tenants.flatMap((tenant) => [
    ...cells.map((n) =>
      ofTenant(`${tenant} reads an id of cell-${n}`, tenant, { target: `/v1/orders/${idAt(n)}?x=1` }),
    ),
    ...cells.map((n) =>
      ofTenant(`${tenant} wants cell-${n}`, tenant, {
        headers: { 'x-cell': `cell-${n}` },
        target: '/home/x',
      }),
    ),
    ofTenant(`${tenant} deletes below an id of cell-3`, tenant, {
      method: 'DELETE',
      target: `/v1/orders/${idAt(3)}/lines/1`,
    }),
    ofTenant(`${tenant} reads an id of a slot that nobody has`, tenant, { target: '/v1/orders/ord_zz_01jd' }),
    ofTenant(`${tenant} reads what is no id`, tenant, { target: '/v1/orders/latest' }),
    ofTenant(`${tenant} wants an unknown cell`, tenant, { headers: { 'x-cell': 'cell-99' } }),
  ])
}

/** Each policy with each kind of method, for tenants whose home is marked in the fleets that mark cells. */
function policyAsks(): VectorAsk[] {
  const tenants = [tenantOf(6), tenantOf(1)]
  const paths = ['/any/x', '/idempotent/x', '/read/x', '/home/x', '/undeclared']
  const methods = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST']
  return tenants.flatMap((tenant) =>
    paths.flatMap((target) => [
      ...methods.map((method) => ofTenant(`${tenant}: ${method} ${target}`, tenant, { method, target })),
      ofTenant(`${tenant}: POST ${target} with an Idempotency-Key`, tenant, {
        ...{ method: 'POST', target, headers: { 'idempotency-key': 'k1' } },
      }),
    ]),
  )
}

/** What is in flight, draws, and cells that are on their ramp or were ejected by the router itself. */
function momentAsks(): VectorAsk[] {
  const tenant = tenantOf(6)
  const ofThree = tenantOf(4)
  /** Which of the fit ones, from 0 to 1; whoever is fit by more than 128 may be taken. */
  const spread = (share: number) => 255 * Math.floor(share * 2 ** 22) + 128
  const at = (
    name: string,
    moment: Partial<VectorMoment>,
    request: Partial<VectorRequest> = {},
    whose = tenant,
  ): VectorAsk => ({
    ...ofTenant(name, whose, request),
    moment: { draw: 128, in_flight: {}, fitness: {}, ...moment },
  })
  return [
    at('the home has less in flight', { in_flight: { 'cell-1': 3, 'cell-3': 4 } }),
    at('the alternate has less in flight', { in_flight: { 'cell-1': 4, 'cell-3': 3 } }),
    at('as much', { in_flight: { 'cell-1': 4, 'cell-3': 4 } }),
    at('as much for its weight', { in_flight: { 'cell-1': 4, 'cell-3': 12 } }),
    at('more, but less for its weight', { in_flight: { 'cell-1': 4, 'cell-3': 11 } }),
    at('as much for what its ramp leaves of it', {
      in_flight: { 'cell-1': 5, 'cell-3': 9 },
      fitness: { 'cell-3': 153 },
    }),
    ...[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999].flatMap((share) => [
      at(`nothing in flight, a draw of ${share}`, { draw: spread(share) }),
      at(`of three, nothing in flight, a draw of ${share}`, { draw: spread(share) }, {}, ofThree),
      at(`of three, a draw of ${share}`, { draw: spread(share), in_flight: LOADS }, {}, ofThree),
    ]),
    at('others’ load does not count', { in_flight: { 'cell-1': 4, 'cell-3': 5, 'cell-0': 0 } }),
    at(
      'the alternate has less, but the route is the home’s',
      { in_flight: { 'cell-1': 9 } },
      { target: '/home/x' },
    ),
    at('the home is ejected', { fitness: { 'cell-1': 0 } }),
    at('the home is ejected, and the route is its own', { fitness: { 'cell-1': 0 } }, { target: '/home/x' }),
    at('the home ramps, and the draw is below', { fitness: { 'cell-1': 64 }, draw: 63 }),
    at('the home ramps, and the draw is not below', { fitness: { 'cell-1': 64 }, draw: 64 }),
    at('both ramp, and the draw is above', { fitness: { 'cell-1': 64, 'cell-3': 200 }, draw: 254 }),
    at('the home is out, the alternate ramps', { fitness: { 'cell-1': 0, 'cell-3': 1 }, draw: 254 }),
    at('both are out', { fitness: { 'cell-1': 0, 'cell-3': 0 } }),
    at('the ramping one has less in flight', {
      in_flight: { 'cell-3': 9 },
      fitness: { 'cell-1': 64 },
      draw: 10,
    }),
    at('an id’s cell is ejected', { fitness: { 'cell-3': 0 } }, { target: `/v1/orders/${idAt(3)}` }),
    at('an id’s cell ramps', { fitness: { 'cell-3': 1 }, draw: 254 }, { target: `/v1/orders/${idAt(3)}` }),
  ]
}

/** By cell, all different for their weights. */
const LOADS = { 'cell-0': 5, 'cell-1': 4, 'cell-2': 3, 'cell-3': 6, 'cell-4': 1, 'cell-5': 7 }

function redirectAsks(): VectorAsk[] {
  const [tenant, bare] = [tenantOf(6), tenantOf(8)]
  return [
    ofTenant('path and query go along', tenant, { target: '/any/a%20b?c=d&e=%2F' }),
    ofTenant('the method does not matter', tenant, { method: 'PUT', target: '/any/x' }),
    ofTenant('a preflight is proxied', tenant, { method: 'OPTIONS', target: '/any/x' }),
    ofTenant('a path like a host', tenant, { target: '/any//evil.example/..' }),
    ofTenant('a cell without a public URL', bare, { target: '/any/x' }),
    ofTenant('x-cell is followed', tenant, { target: '/any/x', headers: { 'x-cell': 'cell-3' } }),
    ask('nobody is told a cell', { target: '/any/x' }, 'nobody'),
  ]
}

function ofTenant(name: string, tenant: string, request: Partial<VectorRequest>): VectorAsk {
  const headers = { 'x-tenant': tenant, ...request.headers }
  return ask(name, { ...request, headers }, { key: tenant, rule: 1 })
}

function ask(name: string, request: Partial<VectorRequest>, caller: VectorCaller): VectorAsk {
  return { name, request: { ...REQUEST, ...request }, caller }
}

function bearer(claims: Record<string, unknown>): Partial<VectorRequest> {
  return { headers: { authorization: 'Bearer {token}' }, claims }
}
