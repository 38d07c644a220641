/**
 * Runs one cell as its plan says.
 *
 *   users, folder, credentials ──▶ limits ──▶ PostgreSQL ──▶ build, bootstrap ──▶ components
 *
 * A pass walks this line and does what is missing; it is safe to repeat and is repeated, on a change of the plan and
 * on a timer. A pass that fails says so in the report and is tried again, later each time. A changed plan ends the
 * pass that works on the former one. What is started is kept running by a keeper of its own (component/keeper.ts), so
 * a crash is mended without a pass, and a pass stops only what the plan no longer wants or wants differently.
 *
 * After an agent's crash the same line finds what still runs: the database and the components are adopted, nothing is
 * bootstrapped again, and no request notices.
 */
import { isDeepStrictEqual } from 'node:util'
import type { CellCredentials, ComponentStatus, Holdings, HostReport, Store } from '@cellplane/contract'
import { type Component, storeOf } from '@cellplane/contract/fleet-file'
import { systemIdentifier } from '@cellplane/postgres'
import type { Logger } from 'pino'
import { backoffMs, RESTART_BACKOFF } from '../backoff.ts'
import type { Keeper } from '../component/keeper.ts'
import { type CellLimits, limitCell } from '../limits/cgroup.ts'
import { keepLogsBounded } from '../process/log-files.ts'
import { askHoldings } from '../report/holdings.ts'
import { pause, Wake } from '../wake.ts'
import { keepComponent } from './cell-component.ts'
import {
  type CellFolder,
  cellFolder,
  databasePasswords,
  makeCellFolder,
  writeRouterSecrets,
} from './cell-folder.ts'
import { cachedCredentials, fetchCredentials } from './credentials.ts'
import { CellPostgres } from './database.ts'
import { type CellUsers, cellUsers } from './os-user.ts'
import { assignPorts, type CellPorts } from './ports.ts'
import { planPreparations, prepare } from './preparation.ts'
import { type CellPlan, type CellSite, directoryOf, type HostContext, processOf } from './site.ts'

type CellReport = HostReport['cells'][number]
type RunningComponent = { keeper: Keeper; site: CellSite; component: Component }

/** Without a change: rotated credentials arrive within this. */
const PASS_EVERY_MS = 60_000
const HOLDINGS_EVERY_MS = 2_000
/** The contract's bound on an error's text. */
const ERROR_CHARS_MAX = 2048

export class CellSupervisor {
  readonly #host: HostContext
  readonly #log: Logger
  readonly #folder: CellFolder
  readonly #stopping = new AbortController()
  readonly #wake = new Wake()
  readonly #done: Promise<unknown>

  #plan: CellPlan
  #planChanged = new AbortController()
  #credentials: CellCredentials | undefined
  #users: CellUsers | undefined
  #limits: { wanted: unknown; inForce: CellLimits } | undefined
  #database: CellPostgres | undefined
  #externalStore: Store | undefined
  readonly #components = new Map<string, RunningComponent>()
  #holdings: Holdings | null = null
  /** What the last pass stumbled over, and at which component, if at one. */
  #problem: { component: string | undefined; message: string } | undefined
  #preparing: string | undefined

  /** Starts at once. */
  constructor(host: HostContext, plan: CellPlan) {
    this.#host = host
    this.#plan = plan
    this.#log = host.log.child({ cell: plan.cell.id })
    this.#folder = cellFolder(host.config.state_dir, plan.cell.id)
    const { signal } = this.#stopping
    this.#done = Promise.all([
      this.#run(signal),
      this.#watchHoldings(signal),
      keepLogsBounded(this.#folder.logs, this.#log, signal),
    ])
  }

  /** Takes effect soon; `report` tells. A plan like the present one changes nothing. */
  apply(plan: CellPlan): void {
    if (isDeepStrictEqual(plan, this.#plan)) return
    this.#plan = plan
    this.#planChanged.abort()
    this.#planChanged = new AbortController()
    this.#wake.set()
  }

  /** Resolves when nothing of the cell runs. Its data stays. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const isOver = AbortSignal.any([signal, this.#planChanged.signal])
      try {
        await this.#pass(this.#plan, isOver)
        this.#problem = undefined
        failures = 0
      } catch (error) {
        if (!isOver.aborted) {
          failures++
          this.#complain(error as Error)
        }
      }
      this.#preparing = undefined
      this.#host.onChange()
      await this.#wake.wait(failures > 0 ? backoffMs(failures, RESTART_BACKOFF) : PASS_EVERY_MS, signal)
    }
    await this.#stopProcesses()
  }

  async #pass(plan: CellPlan, signal: AbortSignal): Promise<void> {
    const { config } = this.#host
    const { cell } = plan
    if (cell.wanted === 'stopped') return await this.#stopProcesses()

    const ports = assignPorts(config.port_base, cell.slot, plan.components)
    if (!ports.ok) throw new Error(ports.problems[0]!.message)
    const directories = [
      plan.directory,
      process.execPath,
      ...plan.components.map((c) => directoryOf(plan, c)),
    ]
    const users = await cellUsers(config.uid_base, cell.slot, directories)
    this.#users = users
    await makeCellFolder(this.#folder, users.components)
    const credentials = await this.#readCredentials(signal)
    await writeRouterSecrets(this.#folder, credentials.router_secrets, users.components)
    const limits = await this.#limit(plan)

    const database = await this.#ensureDatabase(plan, ports.value, users, limits)
    const databaseUrl = await this.#databaseUrl(plan, credentials, database)
    const site: CellSite = {
      host: this.#host,
      plan,
      folder: this.#folder,
      users,
      ports: ports.value,
      databaseUrl,
    }
    for (const preparation of await planPreparations(site)) {
      this.#preparing = preparation.component.name
      await database?.whenServing(signal)
      signal.throwIfAborted()
      await prepare(site, preparation, signal)
    }
    this.#preparing = undefined
    await this.#ensureComponents(site, limits, database, signal)
  }

  /** From the disk at once where they are there, and then refreshed for the next pass: a start waits for nobody. */
  async #readCredentials(signal: AbortSignal): Promise<CellCredentials> {
    const { controlPlane } = this.#host
    const { credentialsFile } = this.#folder
    const { id } = this.#plan.cell
    const known = this.#credentials ?? (await cachedCredentials(credentialsFile, id))
    const fetched = fetchCredentials(controlPlane, credentialsFile, id, signal).then((credentials) => {
      if (this.#credentials && !isDeepStrictEqual(credentials, this.#credentials)) this.#wake.set()
      this.#credentials = credentials
      return credentials
    })
    if (known === undefined) return await fetched
    // The loop that follows orders says when the control plane is gone.
    fetched.catch(() => {})
    this.#credentials = known
    return known
  }

  async #limit(plan: CellPlan): Promise<CellLimits> {
    const { memory_mb: memoryMb, cpus } = plan.cell
    const wanted = { memoryMb, cpus }
    if (!isDeepStrictEqual(this.#limits?.wanted, wanted)) {
      const inForce = await limitCell(plan.cell.id, this.#folder.path, wanted)
      this.#limits = { wanted, inForce }
    }
    return this.#limits!.inForce
  }

  async #ensureDatabase(
    { cell }: CellPlan,
    ports: CellPorts,
    users: CellUsers,
    limits: CellLimits,
  ): Promise<CellPostgres | undefined> {
    const isWanted = cell.database === 'postgres'
    if (this.#database && (!isWanted || this.#database.port !== ports.postgres)) {
      await this.#stopProcesses()
    }
    if (!isWanted) return undefined
    const passwords = await databasePasswords(this.#folder)
    this.#database ??= new CellPostgres({
      cell: cell.id,
      folder: this.#folder,
      host: this.#host.config.listen_host,
      port: ports.postgres,
      passwords,
      osUser: users.postgres,
      runtimeDir: this.#host.config.runtime_dir,
      limits,
      log: this.#log,
      turns: this.#host.turns,
      onChange: this.#host.onChange,
    })
    return this.#database
  }

  async #databaseUrl(
    { cell }: CellPlan,
    credentials: CellCredentials,
    database: CellPostgres | undefined,
  ): Promise<string | undefined> {
    if (database) return database.url
    if (cell.database !== 'external') return undefined
    const url = credentials.database_url
    if (url === null)
      throw new Error(`the control plane gave no database URL for ${cell.id}; give its cell one`)
    const location = storeOf(url) ?? 'unknown'
    if (this.#externalStore?.location !== location) this.#externalStore = { kind: 'postgres', location }
    // A managed server may not tell who it is; two addresses of it are then compared as written.
    const identifier = await systemIdentifier(url).catch(() => undefined)
    if (identifier) this.#externalStore.identity = `${identifier}${new URL(url).pathname}`
    return url
  }

  async #ensureComponents(
    site: CellSite,
    limits: CellLimits,
    database: CellPostgres | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = new Map(site.plan.components.map((component) => [component.name, component]))
    const outdated = [...this.#components].filter(([name, running]) => {
      const component = wanted.get(name)
      return (
        !component || !isDeepStrictEqual(startOf(site, component), startOf(running.site, running.component))
      )
    })
    await Promise.all(outdated.map(([name, { keeper }]) => this.#stopComponent(name, keeper)))
    for (const component of site.plan.components) {
      if (signal.aborted) return
      const running = this.#components.get(component.name)
      const keeper = running?.keeper ?? (await keepComponent({ site, component, limits, database }))
      this.#components.set(component.name, { keeper, site, component })
    }
  }

  async #stopComponent(name: string, keeper: Keeper): Promise<void> {
    await keeper.stop()
    this.#components.delete(name)
  }

  /** The components first, so that they can finish against their database. */
  async #stopProcesses(): Promise<void> {
    await Promise.all([...this.#components].map(([name, { keeper }]) => this.#stopComponent(name, keeper)))
    await this.#database?.stop()
    this.#database = undefined
    await this.#limits?.inForce.remove().catch((error) => this.#log.warn({ err: error }, 'limits stay'))
    this.#limits = undefined
  }

  async #watchHoldings(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { cell } = this.#plan
      const endpoint = this.#endpoint()
      const secret = this.#credentials?.router_secrets[0]
      const isAsked = cell.holdings === 'reported' && cell.wanted === 'running'
      this.#holdings = isAsked && endpoint && secret ? await askHoldings(endpoint, secret, signal) : null
      await pause(HOLDINGS_EVERY_MS, signal)
    }
  }

  #complain(error: Error): void {
    const message = error.message.slice(0, ERROR_CHARS_MAX)
    if (message !== this.#problem?.message)
      this.#log.error({ err: error }, 'the cell cannot be run as ordered')
    this.#problem = { component: this.#preparing, message }
  }

  /** What the control plane is told of the cell. */
  report(): CellReport {
    const { cell, components } = this.#plan
    const statuses = [
      ...(cell.database === 'postgres' ? [this.#databaseStatus()] : []),
      ...components.map((component) => this.#componentStatus(component)),
    ]
    const store = this.#database?.store ?? (cell.database === 'external' ? this.#externalStore : undefined)
    return {
      id: cell.id,
      slot: cell.slot,
      is_running: this.#isRunningAsPlanned(statuses),
      endpoint: this.#endpoint() ?? null,
      stores: store ? [store] : [],
      components: statuses,
      holdings: this.#holdings,
      limits: [this.#limits?.inForce.description, this.#users?.note].filter(Boolean).join('; '),
    }
  }

  /** What runs by a former plan does not count: who waits for a change would take it for made. */
  #isRunningAsPlanned(statuses: readonly ComponentStatus[]): boolean {
    const plan = this.#plan
    return (
      plan.cell.wanted === 'running' &&
      plan.components.every(({ name }) => this.#components.get(name)?.site.plan === plan) &&
      statuses.every(({ phase, is_healthy }) => phase === 'running' && is_healthy)
    )
  }

  #endpoint(): string | undefined {
    const serving = this.#plan.components.find((component) => component.serves)
    const port = serving && this.#components.get(serving.name)?.site.ports.components.get(serving.name)
    return port === undefined ? undefined : `http://${this.#host.config.listen_host}:${port}`
  }

  #databaseStatus(): ComponentStatus {
    const database = this.#database
    if (!database) return { name: 'postgres', port: null, ...this.#absentStatus(undefined) }
    return { name: 'postgres', port: database.port, ...bounded(database.status) }
  }

  #componentStatus({ name }: Component): ComponentStatus {
    const running = this.#components.get(name)
    if (!running) return { name, port: null, ...this.#absentStatus(name) }
    return { name, port: running.site.ports.components.get(name) ?? null, ...bounded(running.keeper.status) }
  }

  /** Of a component that no keeper has yet. */
  #absentStatus(name: string | undefined): Omit<ComponentStatus, 'name' | 'port'> {
    const problem = this.#problem && (this.#problem.component ?? name) === name ? this.#problem.message : null
    const isPreparing = name !== undefined && this.#preparing === name
    const isStopped = this.#plan.cell.wanted === 'stopped'
    const phase = isStopped
      ? 'stopped'
      : isPreparing
        ? 'bootstrapping'
        : problem === null
          ? 'waiting'
          : 'failed'
    return { phase, pid: null, restarts: 0, is_healthy: false, last_error: problem }
  }
}

/** All that decides how a component is started and watched. */
function startOf(site: CellSite, component: Component): unknown {
  return [component, processOf(site, component, 'run', [])]
}

function bounded<T extends { last_error: string | null }>(status: T): T {
  return { ...status, last_error: status.last_error?.slice(0, ERROR_CHARS_MAX) ?? null }
}
