/** Every tenant's request, made once, and the check that its answer came from a cell of the tenant's shard. */
import { REQUEST_BYTES, requestText, TENANT_COUNT, tenantHeader } from '../workload.ts'
import type { RequestKind } from './target.ts'

export type RequestSource = {
  readonly texts: readonly string[]
  /** Tenants in a scattered order, without end. */
  nextTenant(): number
  /** Throws when this cell is not of the tenant's shard. */
  check(tenant: number, cell: number): void
}

export type RoutingFacts = {
  /** By tenant: cells, home first. */
  shards: readonly (readonly number[])[]
  /** By tenant; empty when no row needs tokens. */
  tokens: readonly string[]
}

/** Room for the other headers beside a token. */
const BYTES_BESIDE_TOKEN = 260
/** Prime to the number of tenants, so that all come in turn and neighbours do not follow each other. */
const STEP = 3_079

export function createRequestSource(
  kind: RequestKind,
  facts: RoutingFacts,
  isRouting: boolean,
): RequestSource {
  const texts = Array.from({ length: TENANT_COUNT }, (_, tenant) => flat(textOf(kind, tenant, facts)))
  let tenant = 0
  return {
    texts,
    nextTenant() {
      tenant = (tenant + STEP) & (TENANT_COUNT - 1)
      return tenant
    },
    check(of, cell) {
      if (isRouting && !facts.shards[of]!.includes(cell)) {
        throw new Error(
          `tenant ${of} was answered by cell ${cell}; expected one of its shard: ${facts.shards[of]!.join(', ')}`,
        )
      }
    },
  }
}

function textOf(kind: RequestKind, tenant: number, { tokens }: RoutingFacts): string {
  if (kind === 'header') return requestText(tenantHeader(tenant))
  if (kind === 'header-closing') return requestText(tenantHeader(tenant), REQUEST_BYTES, 'close')
  const token = tokens[tenant]!
  const key = kind === 'token' ? `authorization: Bearer ${token}` : tenantHeader(tenant)
  return requestText(key, token.length + BYTES_BESIDE_TOKEN)
}

/** A string in one piece: one that was joined is put together at its first write, in the middle of a measurement. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
