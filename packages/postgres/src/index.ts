/** @cellplane/postgres: runs the real PostgreSQL server that npm carries, as one process of one owner for one folder. */
export { type ClusterOptions, initCluster, isCluster } from './cluster.ts'
export {
  type DatabaseOptions,
  ensureDatabase,
  POSTGRES_PASSWORD_BYTES,
  systemIdentifier,
  type WaitReadyOptions,
  waitReady,
} from './database.ts'
export { type OsUser, traversalProblem } from './os-user.ts'
export { findServer } from './processes.ts'
export { type LocateOptions, locatePostgres, type PostgresRuntime } from './runtime.ts'
export {
  adoptPostgres,
  type PostgresExit,
  type PostgresServer,
  type StartOptions,
  type StopMode,
  startPostgres,
} from './server.ts'
export { startTestPostgres, type TestPostgres } from './testing.ts'
