/** An existing database that a cell was given by its URL, as the report names it: where it is, and who it says it is. */
import type { Store } from '@cellplane/contract'
import { storeOf } from '@cellplane/contract/fleet-file'
import { systemIdentifier } from '@cellplane/postgres'

/** `known` is what was found before: a server that does not answer at the moment keeps the name that it gave. */
export async function identifyExternalStore(url: string, known: Store | undefined): Promise<Store> {
  const location = storeOf(url) ?? 'unknown'
  // A managed server may not tell who it is; two addresses of it are then compared as written.
  const identifier = await systemIdentifier(url).catch(() => undefined)
  if (identifier) return { kind: 'postgres', location, identity: `${identifier}${new URL(url).pathname}` }
  return known?.location === location ? known : { kind: 'postgres', location }
}
