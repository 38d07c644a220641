/** A real router against the routing vectors: what each request comes to, as far as it can be seen from outside. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { HEADERS } from '@cellplane/contract'
import type { RoutingVectors, VectorCase, VectorFleet, VectorRequest } from '@cellplane/core/routing-vectors'
import { createAuthority, issue } from '../testing/certificates.ts'
import { type Received, send } from '../testing/client.ts'
import { type FakeFleet, FLEET, startFakeFleet } from '../testing/fake-fleet.ts'
import { createIssuer, type Issuer } from '../testing/issuer.ts'
import { until } from '../testing/wait.ts'

const FILE = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
const VECTORS = JSON.parse(readFileSync(FILE, 'utf8')) as RoutingVectors

for (const vectors of VECTORS.fleets) {
  test(`a router agrees with the vectors of the fleet "${vectors.name}"`, async (t) => {
    const fleet = await startFakeFleet({ cells: vectors.base.cells.length, isPublished: false })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      const issuer = await createIssuer('key-1')
      const ports = await serve(fleet, vectors, issuer)
      // The draw of a vector that names none.
      t.mock.method(Math, 'random', () => 0)
      // What is in flight and who was ejected is made by traffic, and nobody outside makes it exactly so.
      const cases = vectors.cases.filter(({ moment }) => moment === undefined)
      for (const { name, request, expected } of cases) {
        const { method, target: path, server_name: servername } = request
        const headers = await linesOf(request, issuer)
        // Whose certificate it is does not matter here.
        const answer =
          servername === undefined
            ? await send(ports.plain, { method, path, headers, agent })
            : await send(ports.tls, { method, path, headers, tls: { servername, rejectUnauthorized: false } })
        assert.deepEqual(seenIn(answer), visible(expected, request, fleet, vectors), name)
      }
      t.diagnostic(`${cases.length} of ${vectors.cases.length}; the others cannot be seen from outside`)
    } finally {
      agent.destroy()
      await fleet.stop()
    }
  })
}

/** Two routers that have the vectors' documents, with the addresses of real cells in them; one speaks TLS. */
async function serve(fleet: FakeFleet, { base, overlay }: VectorFleet, issuer: Issuer) {
  fleet.publishBase({
    ...base,
    fleet: FLEET,
    cells: base.cells.map((cell, n) => ({
      ...cell,
      endpoints: { ...cell.endpoints, http: fleet.cells[n]!.url },
    })),
  })
  fleet.publishOverlay({ ...overlay, fleet: FLEET, issued_at: new Date().toISOString() })
  const file = join(fleet.folder, 'issuer.jwks.json')
  await writeFile(file, JSON.stringify({ keys: [issuer.jwk] }))
  const { certPem, keyPem } = issue(createAuthority(), { names: ['router.test'] })
  const [cert_file, key_file] = [join(fleet.folder, 'router.crt'), join(fleet.folder, 'router.key')]
  await Promise.all([writeFile(cert_file, certPem), writeFile(key_file, keyPem)])
  const plain = await fleet.startRouter({ jwks: { file } })
  const tls = await fleet.startRouter({
    ...{ router: 'router-2', jwks: { file } },
    listen: { host: '127.0.0.1', port: 0, tls: { cert_file, key_file } },
  })
  for (const { adminPort } of [plain, tls]) {
    await until('the documents', async () => {
      const { json } = await send(adminPort, { path: '/status' })
      return json.base !== null && json.overlay !== null
    })
  }
  return { plain: plain.port, tls: tls.port }
}

/** Flat, as Latin-1 text of their UTF-8 bytes. */
async function linesOf({ headers, host, claims }: VectorRequest, issuer: Issuer): Promise<string[]> {
  const token = claims ? await issuer.issue(claims) : ''
  return Object.entries({ host, ...headers }).flatMap(([name, value]) => [
    name,
    Buffer.from(value.replace('{token}', token), 'utf8').toString('latin1'),
  ])
}

function seenIn({ status, headers, json }: Received) {
  if (status === 307) return { location: headers.location, cell: headers[HEADERS.cell] }
  if (status >= 400) return { refusal: json.code }
  const sent = json?.headers ?? {}
  const tenant = sent[HEADERS.tenant]
  return {
    cell: headers[HEADERS.cell],
    // The answer to HEAD has no body to say the rest.
    ...(json && {
      role: sent[HEADERS.role],
      generation: Number(sent[HEADERS.generation]),
      shard: sent[HEADERS.shard],
      tenant: tenant && Buffer.from(tenant, 'latin1').toString('utf8'),
    }),
  }
}

function visible(
  expected: VectorCase['expected'],
  { method }: VectorRequest,
  fleet: FakeFleet,
  { base }: VectorFleet,
) {
  if ('refusal' in expected) return { refusal: expected.refusal }
  const { cell, role, location, generation, key, rule, candidates, former } = expected
  if (location !== undefined) {
    const n = base.cells.findIndex(({ id }) => id === cell)
    return { location: location.replace(base.cells[n]!.endpoints.http, fleet.cells[n]!.url), cell }
  }
  if (method === 'HEAD') return { cell }
  const shard = [...candidates!, ...former!].join(',')
  return { cell, role, generation, shard, tenant: rule === -1 ? undefined : key }
}
