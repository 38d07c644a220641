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
import type { CellCredentials, Holdings, Store } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'
import type { Logger } from 'pino'
import { backoffMs, RESTART_BACKOFF } from '../backoff.ts'
import type { Keeper } from '../component/keeper.ts'
import { type CellLimits, limitCell, type WantedLimits } from '../limits/cgroup.ts'
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
import { type CellFacts, type CellReport, cellReport, type KeptFacts } from './cell-report.ts'
import { giveCompiledCode } from './compiled-code.ts'
import { cachedCredentials, fetchCredentials } from './credentials.ts'
import { CellPostgres } from './database.ts'
import { identifyExternalStore } from './external-store.ts'
import { type CellUsers, cellUsers } from './os-user.ts'
import { assignPorts, type CellPorts } from './ports.ts'
import { bootstrap, build, compiledOnHost, planPreparations } from './preparation.ts'
import { type CellPlan, type CellSite, directoryOf, type HostContext, processOf } from './site.ts'
import { sweepCell } from './sweep.ts'

type RunningComponent = { keeper: Keeper; site: CellSite; component: Component }

/** Without a change: rotated credentials arrive within this. */
const PASS_EVERY_MS = 60_000
const HOLDINGS_EVERY_MS = 2_000

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
  #limits: { wanted: WantedLimits; inForce: CellLimits } | undefined
  #database: CellPostgres | undefined
  #externalStore: Store | undefined
  readonly #components = new Map<string, RunningComponent>()
  #holdings: Holdings | null = null
  #problem: CellFacts['problem']
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
    if (this.#mustMove(plan, ports.value)) await this.#stopProcesses()
    const limits = await this.#ensureLimits(plan)
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
    await this.#prepare(site, database, signal)
    await this.#ensureComponents(site, limits, database, signal)
  }

  /** Builds ask for no database, so they run while it starts. */
  async #prepare(site: CellSite, database: CellPostgres | undefined, signal: AbortSignal): Promise<void> {
    const preparations = await planPreparations(site)
    for (const preparation of preparations) {
      this.#preparing = preparation.component.name
      await build(site, preparation, signal)
      signal.throwIfAborted()
    }
    if (preparations.some((preparation) => preparation.build)) {
      await giveCompiledCode(compiledOnHost(site.host), site.folder.compiled, site.users.components)
    }
    for (const preparation of preparations) {
      this.#preparing = preparation.component.name
      await database?.whenServing(signal)
      signal.throwIfAborted()
      await bootstrap(site, preparation, signal)
    }
    this.#preparing = undefined
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

  /** Another database or port, or other limits: neither can be changed under running processes. */
  #mustMove(plan: CellPlan, ports: CellPorts): boolean {
    const isOtherDatabase =
      this.#database && (plan.cell.database !== 'postgres' || this.#database.port !== ports.postgres)
    return (
      isOtherDatabase || (this.#limits && !isDeepStrictEqual(this.#limits.wanted, limitsOf(plan))) || false
    )
  }

  async #ensureLimits(plan: CellPlan): Promise<CellLimits> {
    const wanted = limitsOf(plan)
    this.#limits ??= { wanted, inForce: await limitCell(plan.cell.id, this.#folder.path, wanted) }
    return this.#limits.inForce
  }

  async #ensureDatabase(
    { cell }: CellPlan,
    ports: CellPorts,
    users: CellUsers,
    limits: CellLimits,
  ): Promise<CellPostgres | undefined> {
    if (cell.database !== 'postgres') return undefined
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
    this.#externalStore = await identifyExternalStore(url, this.#externalStore)
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
    await sweepCell(this.#folder, new Set([...wanted.keys(), ...(database ? ['postgres'] : [])]))
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
    await sweepCell(this.#folder, new Set())
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
    const { message } = error
    if (message !== this.#problem?.message) {
      this.#log.error({ err: error }, 'the cell cannot be run as ordered')
    }
    this.#problem = { component: this.#preparing, message }
  }

  /** What the control plane is told of the cell. */
  report(): CellReport {
    const components = [...this.#components].map(([name, { keeper, site }]): [string, KeptFacts] => [
      name,
      { plan: site.plan, port: site.ports.components.get(name), status: keeper.status },
    ])
    return cellReport({
      plan: this.#plan,
      database: this.#database,
      components: new Map(components),
      problem: this.#problem,
      preparing: this.#preparing,
      endpoint: this.#endpoint(),
      store: this.#plan.cell.database === 'external' ? this.#externalStore : this.#database?.store,
      holdings: this.#holdings,
      limits: [this.#limits?.inForce.description, this.#users?.note].filter(Boolean).join('; '),
    })
  }

  #endpoint(): string | undefined {
    const serving = this.#plan.components.find((component) => component.serves)
    const port = serving && this.#components.get(serving.name)?.site.ports.components.get(serving.name)
    return port === undefined ? undefined : `http://${this.#host.config.listen_host}:${port}`
  }
}

const limitsOf = ({ cell }: CellPlan): WantedLimits => ({ memoryMb: cell.memory_mb, cpus: cell.cpus })

/** All that decides how a component is started and watched. */
function startOf(site: CellSite, component: Component): unknown {
  return [component, processOf(site, component, 'run', [])]
}
