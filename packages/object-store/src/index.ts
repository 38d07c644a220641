/** @cellplane/object-store: requests to a store that speaks S3, for who writes the topology there and who reads it. */
export type { StoreAccess } from './config.ts'
export { readCredentials } from './credentials.ts'
export { objectUrl, prepareRequest } from './prepare-request.ts'
