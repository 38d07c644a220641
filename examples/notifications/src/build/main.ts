/**
 * The `build` target: run by the agent once on a host and release. Loads what bootstrap and the components will load, so
 * that Node keeps it compiled, and every cell gets a copy. Otherwise each process would strip its own types, which takes
 * longer than the rest of its start, and keep the compiler for that in memory: 20 MB of a cell's 120.
 */
await import('../store/migrate.ts')
await import('../api/main.ts')
await import('../worker/main.ts')
await import('nodemailer')
