export {
  type ApiRole,
  OPERATIONS,
  type Operation,
  type OperationName,
  PAGE_SIZE_MAX,
  TOPOLOGY_EVENTS_PATH,
} from './operations.ts'
export * from './views.ts'
