/** @cellplane/testing: fleets, loads, processes and waiting, for tests, scenarios and benches only. */
export * from './fleet.ts'
export * from './load.ts'
export * from './notification-traffic.ts'
export * from './ports.ts'
export * from './processes.ts'
export * from './promtool.ts'
export * from './wait.ts'
