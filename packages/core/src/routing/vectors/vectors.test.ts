import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TopologyBase, TopologyOverlay } from '@cellplane/contract'
import { bucketOf, hashKey } from '../../hash/bucket.ts'
import { unwrap } from '../../topology/example-fleet.ts'
import { quarantinedTenants, unhealthyIndexes } from '../../topology/overlay-marks.ts'
import { buildSnapshot, type Snapshot } from '../../topology/snapshot.ts'
import { FITNESS_FULL, FITNESS_OUT } from '../choose-cell.ts'
import { findPartitionKey, keyByRule, sourceKey } from '../partition-key.ts'
import { compileRoutes, matchRoute } from '../routes.ts'
import { rowGeneration, rowSource, shardOf } from '../rows.ts'
import { type DecisionView, pickTarget, reachOf, redirectUrl } from '../target.ts'
import {
  buildRoutingVectors,
  type RoutingVectors,
  type VectorCase,
  type VectorFleet,
  type VectorOutcome,
  type VectorRequest,
} from './vectors.ts'

const FILE = new URL(import.meta.resolve('@cellplane/core/routing-vectors.json'))
const VECTORS = JSON.parse(readFileSync(FILE, 'utf8')) as RoutingVectors

type View = DecisionView & { readonly snapshot: Snapshot }

/** Signatures are not what is tested: the vectors have none. */
const SIGNATURE = { algorithm: 'Ed25519' as const, key_id: 'none', value: 'none' }

test('the vectors are what is generated from the code', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(buildRoutingVectors())), VECTORS, 'run: npm run generate')
})

test('a key’s hash and bucket are those of its vector', () => {
  for (const { key, key_hex, seed, buckets, hash, bucket } of VECTORS.hash) {
    assert.equal(Buffer.from(key, 'utf8').toString('hex'), key_hex)
    assert.equal(hashKey(key, seed), hash, key)
    assert.equal(bucketOf(key, seed, buckets), bucket, key)
  }
})

for (const fleet of VECTORS.fleets) {
  test(`core agrees with every vector of the fleet "${fleet.name}"`, () => {
    const view = viewOf(fleet)
    for (const { name, request, moment, expected } of fleet.cases) {
      assert.deepEqual(outcomeOf(momentary(view, moment), request, moment?.draw ?? 0), expected, name)
    }
  })
}

test('no vector sends a tenant to a cell that neither is nor was its own', () => {
  for (const { cases } of VECTORS.fleets) {
    for (const { name, expected } of cases) {
      if (!('cell' in expected)) continue
      assert.ok([...expected.candidates!, ...expected.former!].includes(expected.cell), name)
    }
  }
})

function viewOf({ base, overlay }: VectorFleet): View {
  const snapshot = unwrap(buildSnapshot({ ...base, signature: SIGNATURE } as TopologyBase))
  const marks = { ...overlay, signature: SIGNATURE } as TopologyOverlay
  const { out } = unhealthyIndexes(snapshot, marks, 0, 0)
  return {
    snapshot,
    routes: compileRoutes(base.routes, base.fleet_kind, base.delivery),
    quarantined: quarantinedTenants(snapshot, marks),
    fitness: out.map((isOut) => (isOut === 1 ? FITNESS_OUT : FITNESS_FULL)),
    inFlight: new Uint32Array(snapshot.cells.length),
  }
}

function momentary(view: View, moment: VectorCase['moment']): View {
  if (!moment) return view
  const { cells } = view.snapshot
  return {
    ...view,
    fitness: view.fitness.map((fit, index) => moment.fitness[cells[index]!.id] ?? fit),
    inFlight: view.inFlight.map((_, index) => moment.in_flight[cells[index]!.id] ?? 0),
  }
}

function outcomeOf(view: View, request: VectorRequest, draw: number): VectorOutcome {
  const { snapshot } = view
  const { method, target, headers } = request
  const caller = callerOf(view, request)
  if ('refusal' in caller) return caller
  const { key, rule } = caller
  const reach = reachOf(view, key)
  const idOf = (index: number) => snapshot.cells[index]!.id
  const shard = shardOf(snapshot, reach.row)
  const found = {
    key,
    rule,
    bucket: bucketOf(key, snapshot.seed, snapshot.buckets),
    row_source: rowSource(snapshot, reach.row),
    generation: rowGeneration(snapshot, reach.row),
    candidates: shard.map(idOf),
    former: reach.cells.filter((index) => !shard.includes(index)).map(idOf),
  }
  const wish = {
    method,
    route: matchRoute(view.routes, method, target),
    wantedCell: headers['x-cell'],
    hasIdempotencyKey: Boolean(headers['idempotency-key']),
  }
  const chosen = pickTarget(view, reach, wish, draw)
  if (chosen.kind === 'refused') return { ...found, refusal: 'INVALID_REQUEST' }
  if (chosen.kind === 'down') return { ...found, refusal: 'CELL_UNAVAILABLE' }
  const location = redirectUrl(view, wish, chosen.index, target, rule >= 0)
  return {
    ...found,
    cell: idOf(chosen.index),
    role: chosen.index === reach.home ? 'home' : 'alternate',
    ...(location === undefined ? {} : { location }),
  }
}

function callerOf(
  { snapshot }: View,
  request: VectorRequest,
): { key: string; rule: number } | { refusal: string } {
  const { headers, host, target, server_name: serverName, claims, source } = request
  const rules = snapshot.base.partition_key
  const found = findPartitionKey(rules, { header: (name) => headers[name], host, path: target, serverName })
  switch (found.kind) {
    case 'key':
      return { key: found.key, rule: found.rule }
    case 'token':
      return { key: keyByRule(rules[found.rule]!, String(claims?.[found.claim])), rule: found.rule }
    case 'none':
      return { key: sourceKey(source), rule: -1 }
    case 'invalid':
      return { refusal: 'PARTITION_KEY_INVALID' }
    case 'misdirected':
      return { refusal: 'CONNECTION_MISDIRECTED' }
  }
}
