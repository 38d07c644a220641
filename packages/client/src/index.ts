/** @cellplane/client for browsers and customers: the typed API client, and a tenant's own endpoints. Imports nothing of Node's. */

export { HEADERS, type ProblemDetails } from '@cellplane/contract/http'
export {
  type Answer,
  type ApiClient,
  type ApiClientOptions,
  type CallInput,
  type CallOptions,
  createApiClient,
} from './api/api-client.ts'
export { ApiError } from './api/api-error.ts'
export {
  type CellEndpoint,
  ENDPOINTS_CLAIM,
  EndpointsError,
  endpointsFromToken,
  type TenantEndpointsOptions,
  tenantEndpoints,
} from './endpoints/tenant-endpoints.ts'
export { createTenantFetch, type TenantFetch, type TenantFetchOptions } from './endpoints/tenant-fetch.ts'
export { type FollowOptions, followTopologyEvents, type TopologyEvent } from './topology-events/follow.ts'
