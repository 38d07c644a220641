/** All that a base is made of apart from the fleet file and the registry's cells, read inside one transaction. */
import type { Override } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { OVERRIDES, QUARANTINES, type StoredCell, TENANTS } from '../store/collections.ts'
import { intact, type StoreReader } from '../store/store.ts'
import type { Released } from './former-overrides.ts'

export type BaseInputs = { overrides: Override[]; tenants: string[]; released: Released[] }

/** Tenants are read only where a bound asks for them: there may be 100,000. */
export async function readBaseInputs(
  reader: StoreReader,
  fleet: FleetFile,
  cells: readonly StoredCell['cell'][],
): Promise<BaseInputs> {
  const isCounted = fleet.kind === 'stateless' && cells.some((cell) => cell.capacity.tenants !== undefined)
  const tenants = isCounted ? (await reader.list(TENANTS)).rows.map(({ key }) => key) : []
  return {
    overrides: intact(await reader.list(OVERRIDES)),
    tenants,
    released: await readReleased(reader, fleet),
  }
}

/** Tenants that were in quarantine not long ago; their requests were served elsewhere in stateless fleets only. */
async function readReleased(reader: StoreReader, { kind }: Pick<FleetFile, 'kind'>): Promise<Released[]> {
  if (kind === 'stateful') return []
  return intact(await reader.list(QUARANTINES)).flatMap(({ tenant, released_at: at }) =>
    at === null ? [] : [{ tenant, at }],
  )
}
