/**
 * A control replica in the simulation: the parts of `control.ts`, on a virtual store, virtual files and a virtual network.
 *
 * Only the ground is exchanged. Tenure, reconcilers, planners, publisher, prober and reports are the shipped ones; the
 * operations are called as the API calls them, changes and reports only at the replica that holds the lease.
 */
import { type HostReport, ROUTER_HEADER, type RouterReport } from '@cellplane/contract'
import { OPERATIONS, type OperationName, TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import {
  automationHandlers,
  baseChangeHandlers,
  type ControlConfig,
  cellHandlers,
  createAutomation,
  createBasePlanner,
  createBell,
  createCellChanges,
  createCellReconciler,
  createLeadership,
  createObservedTenants,
  createPublished,
  createPublisher,
  createQuarantineChanges,
  createTenantChanges,
  type HeldDocument,
  isAhead,
  type Metrics,
  type PublishedFiles,
  quarantineHandlers,
  reportHandlers,
  type Store,
  startLoop,
  startObservations,
  tenantHandlers,
} from '@cellplane/control/parts'
import type { Answer, Asked, Network, ServerStream } from './network.ts'
import type { Process } from './world.ts'

/** What its publish folder holds; it outlives the process. */
export type ReplicaFiles = { base: string | undefined; overlay: string | undefined }

export type ControlParts = {
  network: Network
  owner: Process
  store: Store
  config: ControlConfig
  files: ReplicaFiles
  /** Hears of each reason why automation is held up, and of its end. */
  onAutomation(part: string, reason: string | null): void
  onLead(): void
  /** Seam for planting bugs: what the planner of the overlay takes the fleet's freeze share for. */
  plannedFreezeShare?: number | undefined
  /** Seam for planting bugs: it looks at the store alone, and at nobody who holds what the store once had. */
  looksAtStoreAlone?: boolean | undefined
}

export type ControlReplica = ReturnType<typeof startControlReplica>

/** Of the operators' operations, those that the simulation uses. */
type Operations = ReturnType<typeof cellHandlers> &
  ReturnType<typeof tenantHandlers> &
  ReturnType<typeof automationHandlers> &
  ReturnType<typeof baseChangeHandlers> &
  ReturnType<typeof quarantineHandlers>

/** To be called in an event of its owner. */
export function startControlReplica(parts: ControlParts) {
  const { network, owner, store, config } = parts
  const { fleet, signingKey, timing } = config
  const now = () => Date.now()
  const keys = new Map([[signingKey.id, signingKey.publicKey]])
  const published = createPublished(keys, fleet.fleet)
  const leadership = createLeadership()
  const observations = startObservations(fleet, now, () => leadership.current()?.wake(), config.routerKey)
  const tenants = createObservedTenants()
  const ordersChanged = createBell()
  const automation = createAutomation(parts.onAutomation)
  const planner = createBasePlanner({ fleet, published, now })
  const cellReconciler = createCellReconciler({ store, planner, timing, observations, now })
  const publisher = createPublisher({ store, planner, published, fleet, signingKey, keys })
  const { looksAtStoreAlone = false } = parts
  const files = filesOf(parts.files)
  const planned = parts.plannedFreezeShare
  const tenureConfig =
    planned === undefined
      ? config
      : { ...config, fleet: { ...fleet, health: { ...fleet.health, freeze_share: planned } } }

  store.campaign((signal) => {
    leadership.begin(
      {
        config: tenureConfig,
        store,
        planner,
        published,
        files: looksAtStoreAlone ? { ...files, ...NO_FILES } : files,
        publisher,
        observations: looksAtStoreAlone ? deafTo(observations) : observations,
        tenants,
        cellReconciler,
        automation,
        ordersChanged,
        now,
      },
      signal,
    )
    parts.onLead()
  })
  startLoop({
    intervalMs: timing.lease_poll_ms,
    signal: new AbortController().signal,
    async run() {
      if (store.isWriter()) return
      await published
        .refresh(store)
        .then(() => files.sync(published))
        .catch(() => {})
    },
  })

  const shared = { store, published, observations, tenure: leadership.current }
  const cellChanges = createCellChanges({
    fleet,
    planner,
    defaultHost: config.defaultHost,
    published,
    observations,
    now,
  })
  const tenantChanges = createTenantChanges({ fleet, planner, published, now })
  const operations: Operations = {
    ...cellHandlers({
      ...shared,
      changes: cellChanges,
      whyWaiting: (cell) => cellReconciler.whyWaiting(cell.id),
    }),
    ...tenantHandlers({ ...shared, changes: tenantChanges, now }),
    ...automationHandlers({ store, automation, tenure: leadership.current, now }),
    ...baseChangeHandlers({ ...shared, planner, now }),
    ...quarantineHandlers({ ...shared, changes: createQuarantineChanges(fleet, now) }),
  }
  const reports = reportHandlers({
    ...shared,
    fleet: fleet.fleet,
    routerKey: config.routerKey,
    tenants,
    ordersChanged,
    // Metrics decide nothing, and are not simulated.
    telemetry: { record() {} },
    // Counting ignored reports is all that they do with it; the page of metrics is made of the whole process.
    metrics: { ignoredReport() {} } as unknown as Metrics,
    now: () => performance.now(),
  })
  const call = {
    query: undefined,
    body: undefined,
    params: undefined,
    actor: 'simulator',
    knownEtag: undefined,
    signal: new AbortController().signal,
  } as const

  network.listen(owner, (asked) => answer(asked))

  function answer(asked: Asked): Answer | Promise<Answer> {
    const [, , area, name, last] = asked.path.split('/')
    if (asked.method === 'POST' && !store.isWriter()) return { status: 503 }
    if (asked.path === TOPOLOGY_EVENTS_PATH)
      return { status: 200, open: (stream) => void pushNews(stream, asked.headers[ROUTER_HEADER]) }
    if (area === 'topology') {
      const router = asked.headers[ROUTER_HEADER]
      return documentAnswer(name === 'base' ? published.baseFor(router) : published.overlay(), asked)
    }
    if (area === 'reports') {
      const body = JSON.parse(asked.body as string) as RouterReport
      return reports.reportRouter({ ...call, body }).then(answerOf)
    }
    const params = { host: name! }
    if (last === 'report') {
      return reports.reportHost({ ...call, params, body: asked.body as HostReport }).then(statusOf)
    }
    return reports
      .getHostOrder({ ...call, params, query: { wait: 0 }, knownEtag: asked.headers['if-none-match'] })
      .then((reply) =>
        reply.ok && 'document' in reply ? documentAnswer(reply.document, asked) : { status: 404 },
      )
  }

  /** As `topology-events.ts`, which speaks to a real stream. */
  async function pushNews(stream: ServerStream, router: string | undefined): Promise<void> {
    const told: Record<string, string> = {}
    for (let isOpen = true; isOpen; ) {
      let isNews = false
      for (const [event, held] of [
        ['base', published.baseFor(router)],
        ['overlay', published.overlay()],
      ] as const) {
        if (!held || told[event] === held.etag) continue
        told[event] = held.etag
        isNews = true
        isOpen = stream.write(
          `event: ${event}\ndata: ${JSON.stringify({ epoch: held.epoch, version: held.version })}\n\n`,
        )
      }
      if (!isNews) isOpen = stream.write(': ping\n\n')
      await published.changed.wait(timing.event_ping_ms)
    }
  }

  return {
    owner,
    published,
    observations,
    automation,
    isLeader: store.isWriter,
    /** Null: the replica has no lease, and would refuse. Rejects as the API would answer 500 or 503. */
    async operate<N extends OperationName & keyof Operations>(
      name: N,
      given: { params?: unknown; body?: unknown; query?: unknown },
    ) {
      if (OPERATIONS[name].method !== 'get' && !store.isWriter()) return null
      const operation = operations[name] as (input: unknown) => ReturnType<Operations[N]>
      return operation({ ...call, ...given })
    },
    stop: () => network.kill(owner),
  }
}

function documentAnswer(held: Pick<HeldDocument, 'text' | 'etag'> | null, asked: Asked): Answer {
  if (!held) return { status: 404 }
  const headers = { etag: held.etag }
  return asked.headers['if-none-match'] === held.etag
    ? { status: 304, headers }
    : { status: 200, headers, text: held.text }
}

const statusOf = (reply: { ok: boolean }): Answer => ({ status: reply.ok ? 204 : 409 })

function answerOf(reply: { ok: boolean; value?: unknown }): Answer {
  if (!reply.ok || reply.value === undefined) return statusOf(reply)
  return { status: 200, text: JSON.stringify(reply.value) }
}

const NO_FILES: Pick<PublishedFiles, 'readBase' | 'readOverlay'> = {
  readBase: async () => undefined,
  readOverlay: async () => undefined,
}

function deafTo<T extends { routers: object; hosts: object }>(observations: T): T {
  const { routers, hosts } = observations
  return {
    ...observations,
    routers: { ...routers, held: () => [] },
    hosts: { ...hosts, obeyed: () => [] },
  }
}

function filesOf(folder: ReplicaFiles): PublishedFiles {
  return {
    readBase: async () => folder.base,
    readOverlay: async () => folder.overlay,
    async sync(published) {
      const base = published.baseFor()
      if (base && !isAhead(folder.base, base.document, published.keys)) folder.base = base.text
      const overlay = published.overlay()
      if (overlay && !isAhead(folder.overlay, overlay.overlay, published.keys)) folder.overlay = overlay.text
    },
  }
}
