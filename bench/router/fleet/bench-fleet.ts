/**
 * The fleet that contestants with cell routing are given: eight cells, 65,536 buckets, two cells a shard, and pins for
 * some tenants. Real placement and compilation make the base; it is signed with a key of this run.
 *
 * The shard of each tenant is computed here by core. HAProxy computes its own from maps, with its own XXH32, and both
 * are held to what is written here.
 */
import { generateKeyPairSync } from 'node:crypto'
import type { Cell, KeyRule, Override, Parsed, TokenPolicy, UnsignedTopologyBase } from '@cellplane/contract'
import { decodeTable, deriveRouterSecret, keyIdOf, signDocument } from '@cellplane/contract'
import { parseFleet } from '@cellplane/contract/fleet-file'
import {
  buildRoutingIndex,
  compileBase,
  compileOverlay,
  place,
  placementPolicyOf,
  shardOf,
  shardRow,
} from '@cellplane/core'
import { TENANT_COUNT, TENANT_HEADER, tenantName } from '../workload.ts'

export const FLEET = 'bench'
export const ROUTER_KEY = 'router-key-of-the-bench'
const ISSUED_AT = '2026-01-01T00:00:00.000Z'
/** Every 16th tenant is pinned: enough that the map before the table is not empty, few enough to be pins. */
const TENANTS_PER_PIN = 16

export type BenchFleet = ReturnType<typeof buildBenchFleet>

/** `ports` are the upstreams’, one a cell. */
export function buildBenchFleet(ports: readonly number[]) {
  const fleet = unwrap(
    parseFleet({
      format: 1,
      fleet: FLEET,
      kind: 'stateless',
      partition_key: { rules: [{ from: 'header', name: TENANT_HEADER }] },
      placement: { buckets: 65_536, shard_size: 2, seed: 1 },
      cells: { count: ports.length },
      components: [{ name: 'api', run: 'node api.js', serves: true }],
      routes: [{ path: '/v1/things/{id}', failover: 'read', cell_in: 'id' }],
    }),
  )
  const policy = placementPolicyOf(fleet)
  const cells = ports.map(cellAt)
  const { table } = unwrap(place(null, cells, policy))
  const overrides = pins(ports.length)
  const base = unwrap(
    compileBase({
      fleet,
      cells,
      table,
      formerTables: [],
      formerOverrides: [],
      overrides,
      tokens: null,
      epoch: 1,
      version: 1,
      issuedAt: ISSUED_AT,
    }),
  )
  const index = unwrap(buildRoutingIndex(base))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const sign = (document: object) => JSON.stringify(signDocument(document, keyIdOf(privateKey), privateKey))

  return {
    base,
    /** Cell indexes of each bucket, home first. */
    rows: rowsOf(base),
    overrides,
    cellIds: cells.map((cell) => cell.id),
    secretOf: (cell: string) => deriveRouterSecret(ROUTER_KEY, FLEET, cell),
    /** By tenant: cell indexes, home first. */
    shards: Array.from({ length: TENANT_COUNT }, (_, tenant) => [
      ...shardOf(index, shardRow(index, tenantName(tenant))),
    ]),
    trustedKeys: JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }),
    /** The signed documents, with another way to find the key when one is given. */
    documents(rule?: KeyRule, tokens: TokenPolicy | null = null) {
      return {
        base: sign({ ...base, tokens, ...(rule ? { partition_key: [rule] } : {}) }),
        overlay: sign(
          compileOverlay({
            fleet: FLEET,
            epoch: 1,
            version: 1,
            baseVersion: 1,
            issuedAt: ISSUED_AT,
            unhealthy: [],
            quarantined: [],
          }),
        ),
      }
    },
  }
}

function pins(cellCount: number): Override[] {
  return Array.from({ length: TENANT_COUNT / TENANTS_PER_PIN }, (_, i) => ({
    tenant: tenantName(i * TENANTS_PER_PIN),
    cells: [i % cellCount, (i + 1 + (i % (cellCount - 1))) % cellCount],
    reason: 'pin' as const,
    generation: 3,
  }))
}

function rowsOf({ table, hash, shard_size }: UnsignedTopologyBase): number[][] {
  const slots = unwrap(decodeTable(table, hash.buckets, shard_size))
  return Array.from({ length: hash.buckets }, (_, bucket) => [
    ...slots.subarray(bucket * shard_size, (bucket + 1) * shard_size),
  ])
}

function cellAt(port: number, slot: number): Cell {
  return {
    id: `cell-${slot}`,
    slot,
    role: 'serving',
    state: 'active',
    state_since: ISSUED_AT,
    region: 'local',
    zone: 'local',
    stage: 'dev',
    provider: 'local',
    account: 'local',
    host: 'local',
    dns_names: [],
    capacity: {},
    weight: 10,
    release: 'r1',
    endpoint: `http://127.0.0.1:${port}`,
    stores: [],
    components: ['api'],
    price_per_hour: null,
  }
}

function unwrap<T>(result: Parsed<T>): T {
  if (result.ok) return result.value
  throw new Error(JSON.stringify(result.problems))
}
