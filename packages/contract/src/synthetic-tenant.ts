/**
 * The synthetic tenant of each cell: nobody's, and asked for by the control plane alone, to see whether the cell takes a
 * real write. Its name is reserved: routers refuse it from clients and the kit refuses it from tokens, so that nobody else
 * is left out of caps and SLOs, or counted as healthy.
 */
export const SYNTHETIC_TENANT_PREFIX = 'cellplane-synthetic-'

export function syntheticTenantOf(cell: string): string {
  return `${SYNTHETIC_TENANT_PREFIX}${cell}`
}

export function isSyntheticTenant(tenant: string): boolean {
  return tenant.startsWith(SYNTHETIC_TENANT_PREFIX)
}
