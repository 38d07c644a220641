export {
  type ApiRole,
  type ObjectSchema,
  OPERATIONS,
  type Operation,
  type OperationName,
  PAGE_SIZE_MAX,
  TOPOLOGY_EVENTS_PATH,
} from './operations.ts'
export * from './placement-views.ts'
export * from './telemetry-views.ts'
export * from './views.ts'
