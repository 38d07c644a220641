/** A PostgreSQL server for one test: a folder of its own in the temporary directory, a free port, gone afterwards. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initCluster } from './cluster.ts'
import { ensureDatabase, POSTGRES_PASSWORD_BYTES, waitReady } from './database.ts'
import { locatePostgres } from './runtime.ts'
import { type PostgresServer, startPostgres } from './server.ts'

export type TestPostgres = {
  /** Of the role `app`, owner of the database `app`. */
  url: string
  /** Of the superuser, on the database `postgres`. */
  adminUrl: string
  port: number
  dataDir: string
  logFile: string
  /** The running server; another one after `restart`. */
  readonly server: PostgresServer
  /** Kills the server with SIGKILL, as a crash would. */
  kill(): Promise<void>
  /** Starts it again after `kill`, on the same port and data. */
  restart(): Promise<void>
  /** Stops it and removes its folder. */
  stop(): Promise<void>
}

/** An unprivileged user that no account has, for tests that run as root. */
const TEST_USER = { uid: 69_990, gid: 69_990 }
/** Between finding a free port and listening on it, another process may take it. */
const PORT_TRIES_MAX = 5

export async function startTestPostgres(): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-postgres-'))
  await chmod(directory, 0o711)
  const dataDir = join(directory, 'data')
  const logFile = join(directory, 'postgres.log')
  const osUser = process.getuid?.() === 0 ? TEST_USER : undefined
  const runtime = await locatePostgres({ osUser, runtimeDir: testRuntimeDir() })
  const password = randomBytes(POSTGRES_PASSWORD_BYTES).toString('base64url')
  await initCluster({ runtime, dataDir, user: 'postgres', password, osUser })

  const urlOn = (port: number) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  const start = async (port: number): Promise<PostgresServer> => {
    const started = await startPostgres({ runtime, dataDir, host: '127.0.0.1', port, logFile, osUser })
    await waitReady(urlOn(port), { exited: started.exited })
    return started
  }
  let port = 0
  let server: PostgresServer | undefined
  for (let tries = 1; server === undefined; tries++) {
    port = await freePort()
    server = await start(port).catch((error) => {
      if (tries >= PORT_TRIES_MAX) throw error
      return undefined
    })
  }
  let current = server
  // A test process that ends without `stop` (a failed assertion in a hook) leaves no server behind.
  const onExit = () => {
    try {
      process.kill(current.pid, 'SIGQUIT')
    } catch {
      // It ended already.
    }
  }
  process.once('exit', onExit)
  await ensureDatabase(urlOn(port), { name: 'app', owner: 'app', ownerPassword: password })
  return {
    url: `postgres://app:${password}@127.0.0.1:${port}/app`,
    adminUrl: urlOn(port),
    port,
    dataDir,
    logFile,
    get server() {
      return current
    },
    async kill() {
      process.kill(current.pid, 'SIGKILL')
      await current.exited
    },
    async restart() {
      current = await start(port)
    },
    async stop() {
      process.off('exit', onExit)
      await current.stop('immediate')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Where tests copy the runtime to if they must; kept, because every copy is 60 MB. */
export function testRuntimeDir(): string {
  return join(tmpdir(), `cellplane-test-runtime-${process.getuid?.() ?? 0}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
