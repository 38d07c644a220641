/** The control plane's own PostgreSQL: made once, started, and ended with us. */
import {
  adoptPostgres,
  ensureDatabase,
  initCluster,
  locatePostgres,
  type PostgresServer,
  startPostgres,
  waitReady,
} from '@cellplane/postgres'
import { isRoot } from '../fleet/state-dir.ts'
import type { StateLayout } from '../fleet/state-layout.ts'
import { armDeadMansSwitch } from './dead-mans-switch.ts'
import { readSecret } from './keys.ts'
import { LISTEN_HOST } from './ports.ts'
import type { Launched } from './supervise.ts'

/** As root: a user that no account has, next to those of the cells (70000 and on). */
const CONTROL_USER = { uid: 69_999, gid: 69_999 }
const DATABASE = 'control'

/** The process's name, in records and logs. */
export const CONTROL_POSTGRES = 'postgres'

export async function controlDatabaseUrl(layout: StateLayout, port: number): Promise<string> {
  const password = await readSecret(layout.databasePassword)
  return `postgres://${DATABASE}:${password}@${LISTEN_HOST}:${port}/${DATABASE}`
}

/** Resolves when it serves. */
export async function startControlPostgres(
  layout: StateLayout,
  port: number,
  signal: AbortSignal,
): Promise<Launched> {
  const osUser = isRoot() ? CONTROL_USER : undefined
  const password = await readSecret(layout.databasePassword)
  const runtime = await locatePostgres({ osUser, runtimeDir: layout.runtime })
  const dataDir = layout.controlPostgres
  await initCluster({ runtime, dataDir, user: 'postgres', password, osUser })
  // Left by an `up` that was killed together with its switch.
  await (await adoptPostgres(dataDir))?.stop('fast')
  const server = await startPostgres({
    ...{ runtime, dataDir, osUser, port, host: LISTEN_HOST },
    logFile: layout.logOf(CONTROL_POSTGRES),
    name: 'control',
  })
  const deadMan = armDeadMansSwitch(server.pid, 'INT')
  void server.exited.then(deadMan.disarm)
  try {
    const adminUrl = `postgres://postgres:${password}@${LISTEN_HOST}:${port}/postgres`
    await waitReady(adminUrl, { exited: server.exited, signal })
    await ensureDatabase(adminUrl, { name: DATABASE, owner: DATABASE, ownerPassword: password })
  } catch (error) {
    await server.stop('immediate')
    throw error
  }
  return toLaunched(server, layout.logOf(CONTROL_POSTGRES))
}

function toLaunched(server: PostgresServer, logFile: string): Launched {
  return {
    pid: server.pid,
    ended: server.exited.then(({ code, signal }) => ({
      how: `${signal === null ? `exited with code ${code}` : `was ended by ${signal}`}; see ${logFile}`,
      isHopeless: false,
    })),
    stop: () => server.stop('fast'),
    // Like a crash: the next start recovers, and nothing committed is lost.
    kill: () => void server.stop('immediate'),
  }
}
