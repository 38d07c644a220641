/**
 * The same instances as cells: a signed topology of shards of two of them, as real placement and compilation make it.
 * The fleet is stateless, and of a shard's two cells a request takes the one with less under way.
 *
 * Each cell declares as its ceiling what its instance can do and hold, as a real one should.
 */
import { generateKeyPairSync } from 'node:crypto'
import {
  type Cell,
  formatProblems,
  keyIdOf,
  type Parsed,
  signDocument,
  type TrustedKeys,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import {
  buildRoutingIndex,
  compileBase,
  compileOverlay,
  place,
  placementPolicyOf,
  shardOf,
  shardRow,
} from '@cellplane/core'
import { type Plan, type ServicePlan, tenantNames } from '../plan.ts'

export const FLEET = 'gray-failure'
export const TENANT_HEADER = 'x-tenant'
const SHARD_SIZE = 2
/** Placement is the same in each run, so that a run can be repeated. */
const PLACEMENT_SEED = 1
const ISSUED_AT = '2026-01-01T00:00:00.000Z'

export type Choice = 'least-loaded' | 'home-first'

export function fleetOf(cells: number, choice: Choice): FleetFile {
  return unwrap(
    parseFleet({
      format: 1,
      fleet: FLEET,
      kind: 'stateless',
      partition_key: { rules: [{ from: 'header', name: TENANT_HEADER }] },
      placement: { buckets: 65_536, shard_size: SHARD_SIZE, seed: PLACEMENT_SEED, choice },
      cells: { count: cells },
      components: [{ name: 'api', run: 'node api.js', serves: true }],
    }),
  )
}

/** `ports` are the instances’, one a cell. */
export const cellsOf = (service: ServicePlan, ports: readonly number[]): Cell[] =>
  ports.map((port, slot) => cellAt(port, slot, service))

export function compileCells(
  { service }: Pick<Plan, 'service'>,
  ports: readonly number[],
  choice: Choice = 'least-loaded',
): UnsignedTopologyBase {
  const fleet = fleetOf(ports.length, choice)
  const cells = cellsOf(service, ports)
  const { table } = unwrap(place(null, cells, placementPolicyOf(fleet)))
  return unwrap(
    compileBase({
      fleet,
      cells,
      table,
      formerTables: [],
      formerOverrides: [],
      overrides: [],
      tokens: null,
      epoch: 1,
      version: 1,
      issuedAt: ISSUED_AT,
    }),
  )
}

/** A key of its own for each run, and what routers are to trust it by. */
export function createSigner(): { sign(document: object): string; keys: TrustedKeys; trustedKeys: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    sign: (document) => JSON.stringify(signDocument(document, keyIdOf(privateKey), privateKey)),
    keys: new Map([[keyIdOf(privateKey), publicKey]]),
    trustedKeys: JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }),
  }
}

export const unmarkedOverlay = (): UnsignedTopologyOverlay =>
  compileOverlay({
    fleet: FLEET,
    epoch: 1,
    version: 1,
    baseVersion: 1,
    issuedAt: ISSUED_AT,
    unhealthy: [],
    quarantined: [],
  })

/** What a router starts from when there is no control plane: both documents signed, and the key that they are signed with. */
export function signCells(base: UnsignedTopologyBase): {
  base: string
  overlay: string
  trustedKeys: string
} {
  const { sign, trustedKeys } = createSigner()
  return { base: sign(base), overlay: sign(unmarkedOverlay()), trustedKeys }
}

/** The tenants whose shard has the broken cell in it. The table does not depend on ports. */
export function tenantsOfBroken(plan: Plan): Set<string> {
  const anyPorts = Array.from({ length: plan.instances }, (_, i) => i + 1)
  const index = unwrap(buildRoutingIndex(compileCells(plan, anyPorts)))
  return new Set(
    tenantNames(plan).filter((tenant) => [...shardOf(index, shardRow(index, tenant))].includes(plan.broken)),
  )
}

export const cellName = (slot: number): string => `cell-${slot}`

function cellAt(port: number, slot: number, { concurrency, waitingMax, workMs }: ServicePlan): Cell {
  return {
    id: cellName(slot),
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
    capacity: { requests_per_second: (concurrency * 1000) / workMs, in_flight: concurrency + waitingMax },
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
  throw new Error(formatProblems(result.problems))
}
