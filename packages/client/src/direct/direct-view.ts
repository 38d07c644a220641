/**
 * What a direct router decides by: the documents in use, and what is computed from them. A document that is accepted
 * replaces the one before; one that is refused changes nothing.
 *
 * It decides with the functions that routers decide with (core's `findPartitionKey`, `matchRoute`, `pickTarget`), so a
 * request that a back end sends by itself reaches the cell that a router would have sent it to. Load alone is another
 * word here: a client does not see what is in flight at a cell, so how often each was chosen of late stands for it.
 */
import type { Parsed, Problem, ProblemCode, Role, TopologyOverlay, TrustedKeys } from '@cellplane/contract'
import { HEADERS, parsed, partitionKeyProblem } from '@cellplane/contract'
import {
  acceptBase,
  acceptOverlay,
  chooseCell,
  compileRoutes,
  type DecisionView,
  DRAWS,
  FITNESS_FULL,
  FITNESS_OUT,
  findPartitionKey,
  keyByRule,
  matchRoute,
  namedKey,
  pickTarget,
  quarantinedTenants,
  reachOf,
  refit,
  rowGeneration,
  rowOf,
  type Snapshot,
  shardOf,
  sourceKey,
  unhealthyIndexes,
} from '@cellplane/core'
import type { DocumentKind } from './document-source.ts'

export type DirectCell = { id: string; url: string; role: Role }

export type DirectRoute = {
  /** The cell to call. */
  cell: string
  /** Its base URL. */
  url: string
  role: Role
  /** The tenant's generation, 0 in stateless fleets. */
  generation: number
  /** The whole shard, home first. */
  shard: DirectCell[]
}

/** A request as a router would see it. */
export type DirectRequest = {
  method: string
  /** The request target: the path with its query. */
  path: string
  host?: string | undefined
  /** By lower-case name. */
  headers?: Readonly<Record<string, string | undefined>> | undefined
  /** What its sender asked for in the TLS handshake. */
  serverName?: string | undefined
  /** Of its bearer token, which the caller has verified. A token without them is not believed. */
  claims?: Readonly<Record<string, unknown>> | undefined
  /** Its sender's address: where it goes when it has no key. */
  source: string
}

/** `tenant` is undefined for a request without a key. A refusal is what a router would have answered. */
export type DirectDecision =
  | ({ ok: true; tenant: string | undefined } & DirectRoute)
  | { ok: false; code: ProblemCode; detail: string; cell?: string }

type View = DecisionView & { readonly snapshot: Snapshot }

export type DirectView = ReturnType<typeof createDirectView>

/** `random` gives numbers in [0, 1), for cells that take a part of their requests; `now` is in ms since the epoch. */
export function createDirectView(fleet: string, keys: TrustedKeys, random = Math.random, now = Date.now) {
  let view: View | null = null
  let overlay: TopologyOverlay | null = null
  let overlayConfirmedAt = 0
  let marksUntil = 0
  const waiting = new Set<() => void>()

  const refresh = (snapshot: Snapshot): void => {
    const { base } = snapshot
    const { out } = unhealthyIndexes(snapshot, overlay, now(), overlayConfirmedAt)
    view = {
      snapshot,
      routes:
        view?.snapshot === snapshot
          ? view.routes
          : compileRoutes(base.routes, base.fleet_kind, base.delivery),
      quarantined: quarantinedTenants(snapshot, overlay),
      fitness: out.map((isOut) => (isOut === 1 ? FITNESS_OUT : FITNESS_FULL)),
      inFlight: new Uint32Array(snapshot.cells.length),
    }
    marksUntil = overlayConfirmedAt + base.topology_ttl_seconds * 1000
  }

  const current = (): View | null => {
    if (view && now() > marksUntil && view.fitness.includes(FITNESS_OUT)) refresh(view.snapshot)
    return view
  }

  const draw = () => Math.floor(random() * DRAWS)

  const routeTo = (view: View, row: number, chosen: number): DirectRoute => {
    const { snapshot, inFlight } = view
    inFlight[chosen]!++
    const shard = shardOf(snapshot, row).map((index, place): DirectCell => {
      const { id, url } = snapshot.cells[index]!
      return { id, url, role: place === 0 ? 'home' : 'alternate' }
    })
    const { id, url } = snapshot.cells[chosen]!
    const role = shard[0]?.id === id ? 'home' : 'alternate'
    return { cell: id, url, role, generation: rowGeneration(snapshot, row), shard }
  }

  return {
    /**
     * A document as text. Refused ones change nothing. The value is what is wrong with the overlay that was held before, now that
     * the base that it names is here: none of its marks is followed any more.
     */
    accept(kind: DocumentKind, text: string): Parsed<Problem[]> {
      if (kind === 'base') {
        const base = acceptBase(view?.snapshot.base ?? null, text, keys, fleet)
        if (!base.ok) return base
        const held = refit(overlay, base.value.snapshot)
        overlay = held.overlay
        refresh(base.value.snapshot)
        for (const wake of waiting) wake()
        return parsed(held.misfits)
      }
      if (view) {
        const marks = acceptOverlay(overlay, text, keys, fleet, view.snapshot)
        if (!marks.ok) return marks
        overlay = marks.value
        overlayConfirmedAt = Math.min(now(), Date.parse(overlay.issued_at))
        refresh(view.snapshot)
      }
      return parsed([])
    },

    /** The control plane has answered: what is held is what it holds. */
    confirm(kind: DocumentKind): void {
      if (kind !== 'overlay' || !overlay || !view) return
      overlayConfirmedAt = now()
      refresh(view.snapshot)
    },

    route(tenant: string, { excluded }: { excluded?: string } = {}): DirectRoute | undefined {
      const view = current()
      if (!view) return undefined
      const { snapshot, fitness, inFlight } = view
      const row = rowOf(view, namedKey(snapshot.base.partition_key, tenant))
      const not = excluded === undefined ? -1 : snapshot.indexOfCell(excluded)
      const chosen = chooseCell(snapshot, row, fitness, inFlight, draw(), not)
      return chosen < 0 ? undefined : routeTo(view, row, chosen)
    },

    decide(request: DirectRequest): DirectDecision {
      const view = current()
      if (!view) return { ok: false, code: 'NO_TOPOLOGY', detail: 'no topology was accepted yet' }
      const caller = callerOf(view, request)
      if ('ok' in caller) return caller
      const { method, path, headers = {} } = request
      const reach = reachOf(view, caller.key)
      const wish = {
        method,
        route: matchRoute(view.routes, method, path),
        wantedCell: headers[HEADERS.wantedCell],
        hasIdempotencyKey: Boolean(headers[HEADERS.idempotencyKey]),
      }
      const target = pickTarget(view, reach, wish, draw())
      switch (target.kind) {
        case 'cell':
          return {
            ...routeTo(view, reach.row, target.index),
            ok: true,
            tenant: caller.isTenant ? caller.key : undefined,
          }
        case 'down': {
          const cell = view.snapshot.cells[target.index]!.id
          const detail = `the request names cell "${cell}", which is not available; try again later`
          return { ok: false, code: 'CELL_UNAVAILABLE', detail, cell }
        }
        case 'refused':
          return { ok: false, code: 'INVALID_REQUEST', detail: target.detail }
      }
    },

    version: () => {
      const base = view?.snapshot.base
      return base && { epoch: base.epoch, version: base.version }
    },

    ready(stopping: AbortSignal, signal?: AbortSignal): Promise<void> {
      const ended = signal ? AbortSignal.any([stopping, signal]) : stopping
      return new Promise((resolve, reject) => {
        const settle = () => {
          waiting.delete(settle)
          ended.removeEventListener('abort', settle)
          if (view) resolve()
          else reject(ended.reason)
        }
        if (view || ended.aborted) settle()
        else {
          waiting.add(settle)
          ended.addEventListener('abort', settle)
        }
      })
    },
  }
}

type Caller = { key: string; isTenant: boolean }

/** Whose request it is, by the fleet's rules; or what a router would have answered. */
function callerOf({ snapshot }: View, request: DirectRequest): Caller | (DirectDecision & { ok: false }) {
  const { headers = {}, host = '', path, serverName, claims } = request
  const rules = snapshot.base.partition_key
  const found = findPartitionKey(rules, { header: (name) => headers[name], host, path, serverName })
  switch (found.kind) {
    case 'key':
      return { key: found.key, isTenant: true }
    case 'none':
      return { key: sourceKey(request.source), isTenant: false }
    case 'invalid':
      return { ok: false, code: 'PARTITION_KEY_INVALID', detail: found.why }
    case 'misdirected':
      return { ok: false, code: 'CONNECTION_MISDIRECTED', detail: found.why }
    case 'token': {
      const claim = claims?.[found.claim]
      const why =
        typeof claim === 'string'
          ? partitionKeyProblem(claim)
          : `the verified claims have no "${found.claim}" that is a string`
      if (typeof claim !== 'string' || why !== undefined) {
        return { ok: false, code: 'TOKEN_INVALID', detail: why ?? '' }
      }
      return { key: keyByRule(rules[found.rule]!, claim), isTenant: true }
    }
  }
}
