/** The direct client against the routing vectors: it sends a request where a router would. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { keyIdOf, signDocument, type TrustedKeys, trustedKeysOf } from '@cellplane/contract'
import type { RoutingVectors, VectorCase, VectorFleet } from '@cellplane/core/routing-vectors'
import { createDirectView, type DirectView } from './direct-view.ts'

const FILE = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
const VECTORS = JSON.parse(readFileSync(FILE, 'utf8')) as RoutingVectors
const KEY = generateKeyPairSync('ed25519')
const NOW = Date.parse('2026-06-01T00:00:00.000Z')

for (const fleet of VECTORS.fleets) {
  test(`the direct client agrees with the vectors of the fleet "${fleet.name}"`, (t) => {
    // A client does not see what is in flight at a cell, and ejects none.
    const cases = fleet.cases.filter(({ moment }) => moment === undefined)
    for (const one of cases) assert.deepEqual(decided(viewOf(fleet), one), expectedOf(one), one.name)
    t.diagnostic(`${cases.length} of ${fleet.cases.length}; the others need what only a router knows`)
  })
}

function viewOf({ base, overlay }: VectorFleet): DirectView {
  const keys = trustedKeysOf({ keys: [KEY.publicKey.export({ format: 'jwk' })] })
  const view = createDirectView(
    base.fleet,
    (keys as { value: TrustedKeys }).value,
    // The draw of a vector that names none.
    () => 0,
    () => NOW,
  )
  const sign = (document: object) =>
    JSON.stringify(signDocument(document, keyIdOf(KEY.privateKey), KEY.privateKey))
  const issued_at = new Date(NOW).toISOString()
  assert.deepEqual(view.accept('base', sign(base)), { ok: true, value: [] })
  assert.deepEqual(view.accept('overlay', sign({ ...overlay, issued_at })), { ok: true, value: [] })
  return view
}

function decided(view: DirectView, { request }: VectorCase) {
  const { target: path, server_name: serverName, ...more } = request
  const decision = view.decide({ ...more, path, serverName })
  if (!decision.ok) return { refusal: decision.code }
  const { tenant, cell, role, generation, shard } = decision
  return { tenant, cell, role, generation, candidates: shard.map(({ id }) => id) }
}

function expectedOf({ expected }: VectorCase) {
  if ('refusal' in expected) return { refusal: expected.refusal }
  const { key, rule, cell, role, generation, candidates } = expected
  return { tenant: rule === -1 ? undefined : key, cell, role, generation, candidates }
}
