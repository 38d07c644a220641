/**
 * Direct routing: a trusted back end looks tenants up in the topology itself and calls their cells with no router between.
 *
 * It holds the whole topology, which says where every tenant is: that is for services of one's own, never for customers
 * or browsers (they get `tenantEndpoints`). A lookup is a hash and an array; nothing is asked of anybody.
 *
 *     starting ──a base was accepted (from the state directory or the control plane)──▶ routing
 *     routing  ──a newer base or overlay──▶ routing, with the new one
 *
 * It never goes back: what is refused (signature, fleet, age, size, shape) is reported and the last good document stays,
 * and so it does for as long as the control plane is gone. Health marks alone grow old: after the topology's TTL without
 * news they are dropped. The caller keeps its own timeouts, and says where to go next by `excluded`.
 */
import { type Problem, trustedKeysOf } from '@cellplane/contract'
import { pause } from '../pause.ts'
import { followTopologyEvents } from '../topology-events/follow.ts'
import { createDirectView, type DirectDecision, type DirectRequest, type DirectRoute } from './direct-view.ts'
import { createDocumentSource, type DocumentKind } from './document-source.ts'
import { createLastGood } from './last-good.ts'

export type DirectRouterOptions = {
  /** The control plane's. */
  url: string
  /** Token of the role `router` or `reader`. */
  token: string
  /** Name of the fleet whose topology is accepted. */
  fleet: string
  /** JWK set (parsed) of the keys that sign the topology: `keys/topology.jwks.json`. */
  trustedKeys: unknown
  /** Where the last good documents are kept, so that a start does not need the control plane. In memory only when left out. */
  stateDir?: string
  /** Between two looks at the control plane; its events make them sooner. */
  pollMs?: number
  /** What was refused or failed, for a log. A control plane that is gone is reported once for each look. */
  onProblem?: (problem: Problem) => void
  fetch?: typeof fetch
}

export type DirectRouter = {
  /** Resolves when a base was accepted; rejects when the signal says so first, or after `stop()`. */
  ready(signal?: AbortSignal): Promise<void>
  /**
   * The cell for a tenant, by its shard and health alone. `excluded` is the id of a cell that failed this request already. Undefined when no base was
   * accepted yet, or when no other cell than the excluded one is left.
   */
  route(tenant: string, options?: { excluded?: string }): DirectRoute | undefined
  /**
   * The same for a whole request, as a router decides it: its key by the fleet's rules, its route's failover policy, the
   * cell that it names. A refusal is what the router would have answered.
   */
  decide(request: DirectRequest): DirectDecision
  /** Of the base in use. */
  version(): { epoch: number; version: number } | undefined
  stop(): Promise<void>
}

const POLL_MS = 5_000
const DOCUMENTS: readonly DocumentKind[] = ['base', 'overlay']

/** Throws for keys that are none; everything else is waited for or reported. */
export async function createDirectRouter(options: DirectRouterOptions): Promise<DirectRouter> {
  const keys = trustedKeysOf(options.trustedKeys)
  if (!keys.ok) throw new TypeError(`trustedKeys: ${keys.problems[0]?.message}`)
  const view = createDirectView(options.fleet, keys.value)
  const report = (problems: readonly Problem[]) => {
    if (!isUnchanged(problems)) for (const problem of problems) options.onProblem?.(problem)
  }
  const lastGood = options.stateDir === undefined ? undefined : createLastGood(options.stateDir)
  for (const kind of DOCUMENTS) {
    const text = await lastGood?.read(kind)
    const accepted = text === undefined ? undefined : view.accept(kind, text)
    if (accepted) report(accepted.ok ? accepted.value : accepted.problems)
  }

  const stopping = new AbortController()
  const bell = createBell()
  const source = createDocumentSource({ ...options, signal: stopping.signal })
  /** Fetched last, and refused: a "not modified" about it confirms nothing. */
  const refused = new Set<DocumentKind>()
  const look = async (kind: DocumentKind): Promise<void> => {
    const found = await source.fetch(kind)
    if (!found.ok) {
      due.add(kind)
      return report(found.problems)
    }
    if (found.value !== null) {
      const accepted = view.accept(kind, found.value)
      report(accepted.ok ? accepted.value : accepted.problems)
      if (accepted.ok) report((await lastGood?.write(kind, found.value)) ?? [])
      if (accepted.ok || isUnchanged(accepted.problems)) refused.delete(kind)
      else refused.add(kind)
    }
    if (!refused.has(kind)) view.confirm(kind)
  }
  /**
   * To be asked for. An event names its document, and the other is left alone then: a change is told to all consumers at
   * once, and the last of them is served when all that they ask is answered.
   */
  const due = new Set(DOCUMENTS)
  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (due.delete('base')) await look('base')
      // Health marks mean nothing without the cells that they are about; what is due stays so until there are some.
      if (view.version() && due.delete('overlay')) await look('overlay')
      const isTold = await bell.wait(options.pollMs ?? POLL_MS, stopping.signal)
      if (!isTold) for (const kind of DOCUMENTS) due.add(kind)
    }
  }
  const tell = (...kinds: readonly DocumentKind[]): void => {
    for (const kind of kinds) due.add(kind)
    bell.ring()
  }
  const events = followTopologyEvents({
    url: options.url,
    token: options.token,
    ...(options.fetch ? { fetch: options.fetch } : {}),
    onEvent: ({ document }) => tell(document),
    onConnected: () => tell(...DOCUMENTS),
  })
  const polling = poll()
  return {
    ready: (signal) => view.ready(stopping.signal, signal),
    route: view.route,
    decide: view.decide,
    version: view.version,
    async stop() {
      stopping.abort(new Error('the direct router was stopped'))
      await Promise.all([events.stop(), polling])
    },
  }
}

const isUnchanged = (problems: readonly Problem[]): boolean =>
  problems.every(({ code }) => code === 'TOPOLOGY_UNCHANGED')

/** Cuts a wait short. A ring while nobody waits cuts the next one, so that no event is lost during a look. */
function createBell() {
  let hasRung = false
  let cut: AbortController | undefined
  return {
    ring() {
      hasRung = true
      cut?.abort()
    },
    /** Whether it was cut. */
    async wait(ms: number, signal: AbortSignal): Promise<boolean> {
      cut = new AbortController()
      if (!hasRung) await pause(ms, AbortSignal.any([signal, cut.signal]))
      const wasCut = hasRung
      hasRung = false
      cut = undefined
      return wasCut
    },
  }
}
