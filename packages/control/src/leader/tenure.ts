/**
 * A tenure: what the replica with the lease does, from taking it to losing it.
 *
 * First it finds out what was published and registers what the fleet file declares. Then it reconciles, once a second
 * and whenever something changed, in one order, one step at a time:
 *
 *     cells     hosts' reports and due steps  → registry
 *     base      registry, overrides, tenants  → placement, signed and published
 *     overlay   health                        → marks, signed and published
 *     orders    registry, fleet file          → what each host is to run
 *     files     what is published             → base.json, overlay.json
 *     reports   routers, hosts, tenants seen  → store
 *
 * Every step looks at the whole state and not at what changed, so each is safe to repeat, and a step that failed is
 * tried again by the next run. A step that fails does not keep the later ones from theirs.
 */
import { type Cell, formatProblems, type HostOrder } from '@cellplane/contract'
import { compileOverlay, TOPOLOGY_TTL_SECONDS } from '@cellplane/core'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import type { Bell } from '../bell.ts'
import { monotonicNow } from '../clock.ts'
import type { ControlConfig } from '../config.ts'
import type { Observations } from '../health/observations.ts'
import { planOrder } from '../hosts/order.ts'
import { planDeclarations } from '../registry/declare.ts'
import { CELLS, HOSTS, ORDERS, ROUTERS, type StoredCell } from '../store/collections.ts'
import { intact, NotLeader, type Store, type StoreReader, StoreRowInvalid } from '../store/store.ts'
import type { ObservedTenants } from '../tenants/observed-tenants.ts'
import { type BaseInputs, readBaseInputs } from '../topology/base-inputs.ts'
import { isSameMarks, planOverlay } from '../topology/plan-overlay.ts'
import type { Published } from '../topology/published.ts'
import type { PublishedFiles } from '../topology/published-files.ts'
import type { Publisher } from '../topology/publisher.ts'
import { recoverTopology } from '../topology/recover.ts'
import type { Automation } from './automation.ts'
import { startLoop } from './loop.ts'
import type { CellReconciler } from './reconcile-cells.ts'

/** An overlay that says nothing new still says that the control plane lives. Two chances within the time that marks count for. */
const OVERLAY_HEARTBEAT_MS = (TOPOLOGY_TTL_SECONDS * 1000) / 2

/** The base is planned anew when something changed, or after this: planning costs a second at 1,000 cells. */
const BASE_REVIEW_MS = 30_000

export type TenureParts = {
  config: ControlConfig
  store: Store
  published: Published
  files: PublishedFiles
  publisher: Publisher
  observations: Observations
  tenants: ObservedTenants
  cellReconciler: CellReconciler
  automation: Automation
  /** Rung when a host's order was replaced. */
  ordersChanged: Bell
  now: () => number
}

export type Tenure = ReturnType<typeof startTenure>

export function startTenure(parts: TenureParts, signal: AbortSignal) {
  const {
    config,
    store,
    published,
    files,
    publisher,
    observations,
    tenants,
    automation,
    ordersChanged,
    now,
  } = parts
  const { fleet } = config
  let epoch: number | undefined
  let cells: StoredCell[] = []
  /** Counts changes by the API. */
  let changes = 0
  /** What the last base was planned of, when, and why it could not be published. */
  let planned = { of: '', at: 0, refusal: '' }
  let reportsSavedAt = Number.NEGATIVE_INFINITY
  const orders = new Map<string, HostOrder>()

  async function begin(): Promise<number> {
    const fileText = await files.readBase().catch(() => undefined)
    const overlayFileText = await files.readOverlay().catch(() => undefined)
    const keys = new Map([[config.signingKey.id, config.signingKey.publicKey]])
    const recovered = await recoverTopology({
      store,
      published,
      fileText,
      overlayFileText,
      keys,
      fleet: fleet.fleet,
      now: now(),
    })
    await store.write(async (writer) => {
      const registered = intact(await writer.list(CELLS))
      for (const { action, stored } of planDeclarations(fleet, registered, config.defaultHost, now())) {
        await writer.put(CELLS, stored.cell.id, stored)
        const change = {
          actor: AUTOMATION,
          action,
          subject: stored.cell.id,
          reason: 'declared in the fleet file',
        }
        await recordChange(writer, change, now())
      }
    })
    return recovered
  }

  async function reconcileCells(): Promise<void> {
    epoch ??= await begin()
    cells = await parts.cellReconciler.run(published.base(), epoch)
    observations.watch(cells.map((stored) => stored.cell))
  }

  async function readInputs(reader: StoreReader): Promise<BaseInputs & { cells: Cell[] }> {
    const registry = intact(await reader.list(CELLS)).map((stored) => stored.cell)
    return { cells: registry, ...(await readBaseInputs(reader, fleet, registry)) }
  }

  async function reconcileBase(): Promise<void> {
    if (epoch === undefined || !cells.some(({ cell }) => cell.state === 'active' && cell.role === 'serving'))
      return
    const of = `${changes} ${JSON.stringify(cells)}`
    if (planned.of !== of || formerTableExpires(now()) || monotonicNow() - planned.at > BASE_REVIEW_MS) {
      const base = await publisher.publishBase(readInputs, epoch, now())
      planned = { of, at: monotonicNow(), refusal: base.ok ? '' : formatProblems(base.problems) }
    }
    if (planned.refusal !== '') throw new Error(`the base cannot be published: ${planned.refusal}`)
  }

  function formerTableExpires(at: number): boolean {
    return (published.base()?.snapshot.base.former_tables ?? []).some((one) => Date.parse(one.until) <= at)
  }

  async function reconcileOverlay(): Promise<void> {
    const base = published.base()
    if (!base || epoch === undefined) return
    const current = published.overlay()
    const marks = current?.overlay.unhealthy ?? []
    const registry = cells.map((stored) => stored.cell)
    const plan = planOverlay(registry, observations.stateOf, marks, fleet)
    automation.report('health', plan.isFrozen ? plan.reason : null)
    const isNews = !current || current.epoch !== epoch || !isSameMarks(plan.unhealthy, marks)
    if (!isNews && now() - Date.parse(current.issuedAt) < OVERLAY_HEARTBEAT_MS) return
    const overlay = await publisher.publishOverlay(
      compileOverlay({
        fleet: fleet.fleet,
        epoch,
        version: (current?.version ?? 0) + 1,
        baseVersion: base.version,
        issuedAt: new Date(now()).toISOString(),
        unhealthy: plan.unhealthy,
        quarantined: [],
      }),
    )
    if (!overlay.ok) throw new Error(`the overlay cannot be published: ${formatProblems(overlay.problems)}`)
  }

  async function reconcileOrders(): Promise<void> {
    if (epoch === undefined) return
    const invalid: string[] = []
    for (const host of new Set(cells.map(({ cell }) => cell.host))) {
      try {
        await reconcileOrder(host, epoch)
      } catch (error) {
        // A row that cannot be read holds up its own host, not the ones after it.
        if (!(error instanceof StoreRowInvalid)) throw error
        invalid.push(error.message)
      }
    }
    if (invalid.length > 0) throw new Error(invalid.join('; '))
  }

  async function reconcileOrder(host: string, inEpoch: number): Promise<void> {
    const current = orders.get(host) ?? (await store.get(ORDERS, host))
    const order = planOrder({ host, fleet, directory: config.directory, cells, epoch: inEpoch, current })
    if (order !== current) {
      await store.write((writer) => writer.put(ORDERS, host, order))
      ordersChanged.ring()
    }
    orders.set(host, order)
  }

  async function saveReports(): Promise<void> {
    if (monotonicNow() - reportsSavedAt < config.timing.report_save_ms) return
    reportsSavedAt = monotonicNow()
    const routers = observations.routers.takeUnsaved()
    const hosts = observations.hosts.takeUnsaved()
    if (routers.length === 0 && hosts.length === 0 && tenants.isEmpty()) return
    await store.write(async (writer) => {
      for (const router of routers) await writer.put(ROUTERS, router.router, router)
      for (const host of hosts) await writer.put(HOSTS, host.host, host)
      await tenants.save(writer)
    })
  }

  async function step(part: string, run: () => Promise<void>): Promise<void> {
    if (signal.aborted) return
    try {
      await run()
      automation.report(part, null)
    } catch (error) {
      if (!(error instanceof NotLeader)) automation.report(part, (error as Error).message)
    }
  }

  const loop = startLoop({
    intervalMs: config.timing.reconcile_ms,
    signal,
    async run() {
      await step('cells', reconcileCells)
      await step('base', reconcileBase)
      await step('overlay', reconcileOverlay)
      await step('orders', reconcileOrders)
      await step('files', () => files.sync(published))
      await step('reports', saveReports)
    },
  })

  return {
    /** Something was seen: look at it now rather than within the second. */
    wake: loop.wake,
    /** To be called after a change to registry or overrides: resolves when a whole run has taken it up. */
    settle(): Promise<void> {
      changes++
      return loop.settle()
    },
    ended: loop.ended,
  }
}
