/**
 * A cell's own PostgreSQL, as a process that is kept running.
 *
 * The components get the role `app`, which owns the database `app` and is no superuser. Both passwords are made on
 * this host and never leave it. When the server dies it is started again at once; the components are left alone, get
 * errors meanwhile, and reconnect.
 */
import type { Store } from '@cellplane/contract'
import {
  adoptPostgres,
  ensureDatabase,
  initCluster,
  isCluster,
  locatePostgres,
  type OsUser,
  type PostgresServer,
  startPostgres,
  systemIdentifier,
  waitReady,
} from '@cellplane/postgres'
import type { Logger } from 'pino'
import { Keeper } from '../component/keeper.ts'
import type { CellLimits } from '../limits/cgroup.ts'
import { describeExit, type KeptProcess } from '../process/kept-process.ts'
import { isPortFree } from '../process/port.ts'
import type { Turns } from '../turns.ts'
import type { CellFolder, DatabasePasswords } from './cell-folder.ts'
import { portTaken } from './ports.ts'

export type DatabaseOptions = {
  cell: string
  folder: CellFolder
  host: string
  port: number
  passwords: DatabasePasswords
  osUser: OsUser | undefined
  runtimeDir: string
  limits: CellLimits
  log: Logger
  /** Making a cluster keeps a core busy for a second. */
  turns: Turns
  onChange(): void
}

const SUPERUSER = 'postgres'
const APP = 'app'
/** Its end is seen at once; the check is for a server that runs and does not answer. */
const CHECK_EVERY_MS = 5_000
const CHECK_QUERY_MAX_MS = 5_000
/** CREATE DATABASE copies files: seconds on a slow disk. */
const SETUP_QUERY_MAX_MS = 60_000
/** One look whether it serves already. */
const READY_TRY_MS = 0

export class CellPostgres {
  readonly #options: DatabaseOptions
  readonly #keeper: Keeper
  #isReady = false
  #store: Store | undefined

  /** Starts at once. */
  constructor(options: DatabaseOptions) {
    this.#options = options
    this.#keeper = new Keeper({
      name: 'postgres',
      log: options.log,
      adopt: () => this.#adopt(),
      launch: (_signal, enter) => this.#launch(() => enter('bootstrapping')),
      check: () => this.#check(),
      checkEveryMs: CHECK_EVERY_MS,
      isExcused: () => false,
      onChange: options.onChange,
    })
  }

  get status() {
    return this.#keeper.status
  }

  get port(): number {
    return this.#options.port
  }

  get isServing(): boolean {
    return this.#keeper.status.is_healthy
  }

  whenServing(signal: AbortSignal): Promise<void> {
    return this.#keeper.whenHealthy(signal)
  }

  /** undefined until it has served once. */
  get store(): Store | undefined {
    return this.#store
  }

  /** What the components connect to. */
  get url(): string {
    return this.#urlOf(APP, this.#options.passwords.app, APP)
  }

  stop(): Promise<void> {
    return this.#keeper.stop()
  }

  async #adopt(): Promise<KeptProcess | undefined> {
    const server = await adoptPostgres(this.#options.folder.postgres)
    if (server === undefined) return undefined
    if (server.port !== this.#options.port) {
      await server.stop('fast')
      return undefined
    }
    return await this.#limited(server)
  }

  /** A server that cannot be limited is not kept, so it must not stay: it would hold its own port for ever. */
  async #limited(server: PostgresServer): Promise<KeptProcess> {
    try {
      await this.#options.limits.add(server.pid)
    } catch (error) {
      await server.stop('fast')
      throw error
    }
    return keep(server)
  }

  async #launch(onInit: () => void): Promise<KeptProcess> {
    const { cell, folder, host, port, passwords, osUser, runtimeDir, turns } = this.#options
    this.#isReady = false
    // An adoption or a stop that failed before leaves it running.
    const running = await this.#adopt()
    if (running) return running
    const runtime = await locatePostgres({ osUser, runtimeDir })
    if (!isCluster(folder.postgres)) {
      onInit()
      await turns.take(() =>
        initCluster({
          runtime,
          dataDir: folder.postgres,
          user: SUPERUSER,
          password: passwords.admin,
          osUser,
        }),
      )
    }
    if (!(await isPortFree(host, port))) throw new Error(portTaken(port, `${cell}/postgres`))
    const logFile = folder.logFile('postgres')
    const server = await startPostgres({
      runtime,
      dataDir: folder.postgres,
      host,
      port,
      osUser,
      logFile,
      name: cell,
    })
    return await this.#limited(server)
  }

  /** The first time, also makes sure of the database: it may be that the agent ended between the two. */
  async #check(): Promise<string | undefined> {
    try {
      await waitReady(this.#adminUrl(CHECK_QUERY_MAX_MS), { timeoutMs: READY_TRY_MS })
    } catch (error) {
      // Once set up, any answer is a sign of life: a restart helps neither a crowded server nor one that recovers.
      const { message, cause } = error as Error & { cause?: Error }
      if (!this.#isReady) return message
      return isAnswer(cause) ? undefined : `PostgreSQL does not answer any more: ${cause?.message || message}`
    }
    if (this.#isReady) return undefined
    try {
      const { app } = this.#options.passwords
      const adminUrl = this.#adminUrl(SETUP_QUERY_MAX_MS)
      await ensureDatabase(adminUrl, { name: APP, owner: APP, ownerPassword: app })
      const identity = `${await systemIdentifier(adminUrl)}/${APP}`
      const { host, port } = this.#options
      this.#store = { kind: 'postgres', location: `${host}:${port}/${APP}`, identity }
      this.#isReady = true
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  #adminUrl(queryMaxMs: number): string {
    return `${this.#urlOf(SUPERUSER, this.#options.passwords.admin, 'postgres')}?query_timeout=${queryMaxMs}`
  }

  #urlOf(user: string, password: string, database: string): string {
    return `postgres://${user}:${password}@${this.#options.host}:${this.#options.port}/${database}`
  }
}

/** PostgreSQL's own errors have a severity, those of the network have none. */
const isAnswer = (cause: unknown): boolean =>
  (cause as { severity?: string } | undefined)?.severity !== undefined

function keep(server: PostgresServer): KeptProcess {
  return {
    pid: server.pid,
    ended: server.exited.then(({ code, signal }) => ({
      isSuccess: code === 0,
      how: describeExit(code, signal),
    })),
    stop: () => server.stop('fast'),
  }
}
