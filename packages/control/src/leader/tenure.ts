/**
 * A tenure: what the replica with the lease does, from taking it to losing it.
 *
 * First it finds out what was published and registers what the fleet file declares. Then it reconciles, once a second
 * and whenever something changed, in one order, one step at a time:
 *
 *     epoch     what routers and hosts have   → a new one, when the store turns out to be an older copy
 *     cells     hosts' reports and due steps  → registry
 *     base      registry, overrides, tenants  → placement, signed and published
 *     quarantine what routers saw of tenants  → who is in quarantine
 *     overlay   health, quarantines           → marks and names, signed and published
 *     orders    registry, fleet file          → what each host is to run
 *     files     what is published             → base.json, overlay.json
 *     reports   routers, hosts, tenants seen  → store
 *
 * Every step looks at the whole state and not at what changed, so each is safe to repeat, and a step that failed is
 * tried again by the next run. A step that fails does not keep the later ones from theirs.
 */
import { formatProblems, type Parsed } from '@cellplane/contract'
import type { AppliedPlacement, Rollback } from '@cellplane/contract/api'
import { compileOverlay, TOPOLOGY_TTL_SECONDS } from '@cellplane/core'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import type { Bell } from '../bell.ts'
import { monotonicNow } from '../clock.ts'
import type { ControlConfig } from '../config.ts'
import { createHealthMarks } from '../health/health-marks.ts'
import type { Observations } from '../health/observations.ts'
import { isSameEntries, overlayEntries } from '../quarantine/overlay-entries.ts'
import { createTenantQuarantines } from '../quarantine/tenant-quarantines.ts'
import { planDeclarations } from '../registry/declare.ts'
import { forgetSilent } from '../routers/forget-silent.ts'
import { CELLS, HOSTS, ROUTERS, type StoredCell } from '../store/collections.ts'
import { intact, NotLeader, type Store, StoreUnavailable } from '../store/store.ts'
import type { ObservedTenants } from '../tenants/observed-tenants.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import { isSameMarks } from '../topology/plan-overlay.ts'
import type { Published } from '../topology/published.ts'
import type { PublishedFiles } from '../topology/published-files.ts'
import type { Publisher } from '../topology/publisher.ts'
import { recoverTopology } from '../topology/recover.ts'
import { type Automation, HeldBack } from './automation.ts'
import { createEpochClaims } from './epoch-claims.ts'
import { startLoop } from './loop.ts'
import { createPublishGate } from './publish-gate.ts'
import { type BaseRequest, createBaseReconciler } from './reconcile-bases.ts'
import type { CellReconciler } from './reconcile-cells.ts'
import { createOrderReconciler } from './reconcile-orders.ts'

/** An overlay that says nothing new still says that the control plane lives. Two chances within the time that marks count for. */
const OVERLAY_HEARTBEAT_MS = (TOPOLOGY_TTL_SECONDS * 1000) / 2

/** Who is to be forgotten was silent for a day; an hour more or less is nothing, and to look is to read every row. */
const FORGET_EVERY_MS = 3_600_000

/** How long an answer waits for a change that cannot be published before routers are heard, or before a wave is over. */
const SETTLE_MS_MAX = 15_000

export type TenureParts = {
  config: ControlConfig
  store: Store
  planner: BasePlanner
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
    planner,
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
  const healthMarks = createHealthMarks({ fleet, store, observations, automation, now })
  const bases = createBaseReconciler({
    ...{ store, planner, published, publisher, fleet, now },
    routers: observations.routers,
  })
  const gate = createPublishGate({ store, published, routers: observations.routers, now })
  let epoch: number | undefined
  let cells: StoredCell[] = []
  /** Counts changes by the API. */
  let changes = 0
  let reportsSavedAt = Number.NEGATIVE_INFINITY
  let forgotAt = Number.NEGATIVE_INFINITY
  const orders = createOrderReconciler({ store, fleet, directory: config.directory, ordersChanged })
  const claims = createEpochClaims({
    ...{ store, published, observations, orders: orders.orders, fleet: fleet.fleet, now },
  })

  const quarantines = createTenantQuarantines({
    store,
    fleet,
    automation,
    figures: observations.routers.tenantFigures,
    now,
  })

  async function begin(): Promise<number> {
    const fileText = await files.readBase().catch(() => undefined)
    const overlayFileText = await files.readOverlay().catch(() => undefined)
    const recovered = await recoverTopology({
      store,
      published,
      fileText,
      overlayFileText,
      keys: published.keys,
      fleet: fleet.fleet,
      now: now(),
    })
    healthMarks.inherit(published.overlay())
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

  async function reconcileEpoch(): Promise<void> {
    epoch ??= await begin()
    await gate.look(epoch)
    epoch = await claims.follow(epoch)
  }

  /** Why nothing is published although the epoch is known: routers may have what the store has forgotten. */
  const isGateShut = (): boolean => epoch !== undefined && !gate.isOpen()

  async function reconcileCells(): Promise<void> {
    if (epoch === undefined) return
    cells = await parts.cellReconciler.run(published.base())
    observations.watch(cells.map((stored) => stored.cell))
  }

  async function reconcileBase(): Promise<void> {
    if (epoch !== undefined && gate.isOpen()) await bases.run(cells, changes, epoch)
  }

  async function reconcileOverlay(): Promise<void> {
    const base = published.base()
    if (!base || epoch === undefined || !gate.isOpen()) return
    const current = published.overlay()
    const marks = current?.overlay.unhealthy ?? []
    const registry = cells.map((stored) => stored.cell)
    const unhealthy = await healthMarks.plan(registry, base, current)
    const entries = current?.overlay.quarantined ?? []
    const known = quarantines.current()
    const quarantined = known ? overlayEntries(known, base.document) : entries
    const isNews =
      !current ||
      !publisher.signed(current.overlay) ||
      current.epoch !== epoch ||
      !isSameMarks(unhealthy, marks) ||
      !isSameEntries(quarantined, entries)
    if (!isNews && now() - Date.parse(current.issuedAt) < OVERLAY_HEARTBEAT_MS) return
    const overlay = await publisher.publishOverlay(
      compileOverlay({
        fleet: fleet.fleet,
        epoch,
        version: (current?.version ?? 0) + 1,
        baseVersion: base.version,
        issuedAt: new Date(now()).toISOString(),
        unhealthy,
        quarantined,
      }),
    )
    if (!overlay.ok) throw new Error(`the overlay cannot be published: ${formatProblems(overlay.problems)}`)
  }

  async function reconcileOrders(): Promise<void> {
    if (epoch !== undefined) await orders.run(cells, epoch)
  }

  async function saveReports(): Promise<void> {
    if (monotonicNow() - reportsSavedAt < config.timing.report_save_ms) return
    reportsSavedAt = monotonicNow()
    const routers = observations.routers.takeUnsaved()
    const hosts = observations.hosts.takeUnsaved()
    if (routers.length === 0 && hosts.length === 0 && tenants.isEmpty()) return
    const isForgetDue = monotonicNow() - forgotAt > FORGET_EVERY_MS
    await store.write(async (writer) => {
      for (const router of routers) await writer.put(ROUTERS, router.router, router)
      for (const host of hosts) await writer.put(HOSTS, host.host, host)
      if (isForgetDue) await forgetSilent(writer, now())
      await tenants.save(writer, now())
    })
    if (isForgetDue) forgotAt = monotonicNow()
  }

  async function step(part: string, run: () => Promise<void>): Promise<void> {
    if (signal.aborted) return
    try {
      await run()
      automation.report(part, null)
    } catch (error) {
      if (error instanceof NotLeader) return
      const kind = error instanceof HeldBack ? 'freeze' : 'problem'
      automation.report(part, (error as Error).message, kind)
    }
  }

  const loop = startLoop({
    intervalMs: config.timing.reconcile_ms,
    signal,
    async run() {
      await step('epoch', reconcileEpoch)
      await step('cells', reconcileCells)
      await step('base', reconcileBase)
      await step('quarantine', () => quarantines.reconcile())
      await step('overlay', reconcileOverlay)
      await step('orders', reconcileOrders)
      await step('files', () => files.sync(published))
      await step('reports', saveReports)
    },
  })

  /** Goes on with `isPending` after a whole run, for as long as something keeps changes from being published that ends by itself. */
  async function settleWhile(isPending: () => boolean): Promise<void> {
    const deadline = monotonicNow() + SETTLE_MS_MAX
    await loop.settle()
    while (isPending() && (isGateShut() || bases.isInWave()) && !signal.aborted) {
      const left = deadline - monotonicNow()
      if (left <= 0) return
      await (isGateShut() ? gate.opened : published.changed).wait(left, signal)
      await loop.settle()
    }
  }

  /** A request without an answer is withdrawn first: what is told to have failed must not be done later. */
  async function answered<T>(request: BaseRequest<T>, what: string): Promise<Parsed<T>> {
    await settleWhile(() => isGateShut() && !request.answer && !request.error)
    request.withdraw()
    if (request.answer) return request.answer
    if (request.error) throw request.error
    if (signal.aborted) {
      throw new NotLeader(`the lease went to another replica before ${what} was taken up; ask that one`)
    }
    const { reason, problems } = automation.view()
    const gateShut = isGateShut() ? 'routers are waited for, to report what they have' : ''
    const told = [...problems, reason, gateShut].filter((text) => text !== '')
    const why = told.join('; ') || 'the step before it failed'
    throw new StoreUnavailable(
      `${what} was not taken up, and will not be: ${why}; ask again once that is over`,
    )
  }

  return {
    /** Something was seen: look at it now rather than within the second. */
    wake: loop.wake,
    /** A router said what became of it: while a base is watched, or none may be published yet, that is what the next step waits for. */
    onRouterReport(): void {
      if (bases.isInWave() || isGateShut()) loop.wake()
    },
    /** To be called after a change to registry or overrides: resolves when a whole run has taken it up. */
    async settle(): Promise<void> {
      const change = ++changes
      quarantines.invalidate()
      await settleWhile(() => !bases.hasTakenUp(change))
    },
    /** Places tenants as that version did. Throws NotLeader when the tenure ended before, StoreUnavailable when no run got so far. */
    rollBack: (version: number, cause: ForcibleCause): Promise<Parsed<Rollback>> =>
      answered(bases.requestRollback(version, cause), 'the rollback'),
    /** Places tenants as the plan says. Throws as `rollBack` does. */
    applyPlan: (plan: string, cause: ForcibleCause): Promise<Parsed<AppliedPlacement>> =>
      answered(bases.requestPlan(plan, cause), 'the plan'),
    ended: loop.ended,
  }
}
