import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TopologyBase, TopologyOverlay } from '@cellplane/contract'
import { buildSnapshot } from '@cellplane/core'
import type { RoutingVectors } from '@cellplane/core/routing-vectors'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { startObservations } from '../health/observations.ts'
import { tenantRoute } from './tenant-route.ts'

const FILE = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
const VECTORS = JSON.parse(readFileSync(FILE, 'utf8')) as RoutingVectors
const signature = { algorithm: 'Ed25519' as const, key_id: 'none', value: 'none' }

test('what an operator is told of a tenant agrees with every routing vector', async (t) => {
  const observations = startObservations(
    exampleFleet(),
    () => 0,
    () => {},
    'unused: no cell is watched',
  )
  t.after(() => observations.stop())
  for (const { name: fleet, base, overlay, cases } of VECTORS.fleets) {
    const snapshot = buildSnapshot({ ...base, signature } as TopologyBase)
    assert.ok(snapshot.ok)
    const held = { snapshot: snapshot.value, epoch: base.epoch, version: base.version }
    for (const { name, expected } of cases) {
      if (expected.key === undefined) continue
      const marks = { ...overlay, signature } as TopologyOverlay
      const told = tenantRoute(expected.key, held, observations, marks)
      assert.deepEqual(
        {
          bucket: told.bucket,
          row_source: told.source,
          generation: told.generation,
          candidates: told.cells.map(({ id }) => id),
          former: told.former_cells,
        },
        {
          bucket: expected.bucket,
          row_source: expected.row_source,
          generation: expected.generation,
          candidates: expected.candidates,
          former: expected.former,
        },
        `${fleet}: ${name}`,
      )
    }
  }
})
