/** @cellplane/host: what our processes ask of the machine that they run on. Imports nothing of ours. */
export * from './atomic-file.ts'
export * from './proc-stat.ts'
export * from './process-identity.ts'
