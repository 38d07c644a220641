/** The topology: documents, versions, blast radius; and the fleet at a glance. */
import { type Cell, parsed } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { Observations } from '../../health/observations.ts'
import type { Automation } from '../../leader/automation.ts'
import { cellView } from '../../registry/cell-view.ts'
import { AUDIT, CELLS, HOSTS, ROUTERS, TENANTS, VERSIONS } from '../../store/collections.ts'
import { describeInvalidRow, intact, type Row, type Store } from '../../store/store.ts'
import type { BlastRadiusMeter } from '../../topology/blast-radius.ts'
import { etagOf, type HeldDocument, type Published } from '../../topology/published.ts'
import { readVersion } from '../../topology/versions.ts'
import type { Handlers } from '../handler.ts'
import { nothingPublished } from '../problems.ts'

export type TopologyHandlersOptions = {
  fleet: FleetFile
  store: Store
  published: Published
  observations: Observations
  automation: Automation
  blastRadius: BlastRadiusMeter
  whyWaiting: (cell: Cell) => string | undefined
}

export function topologyHandlers(
  options: TopologyHandlersOptions,
): Handlers<
  'getStatus' | 'getBase' | 'getOverlay' | 'listVersions' | 'getVersion' | 'getBlastRadius' | 'listAudit'
> {
  const { fleet, store, published, observations, automation, blastRadius, whyWaiting } = options

  /** Rows that cannot be read are named and the others shown: this is where a person looks first. */
  async function status() {
    const [cells, routers, hosts] = [
      await store.list(CELLS),
      await store.list(ROUTERS),
      await store.list(HOSTS),
    ]
    const invalid = [...cells.invalid, ...routers.invalid, ...hosts.invalid].map(describeInvalidRow)
    const held = automation.view()
    const base = published.base()
    const overlay = published.overlay()
    const wave = published.wave()
    const radius = await blastRadius.measure()
    return {
      fleet: fleet.fleet,
      kind: fleet.kind,
      epoch: base?.epoch ?? 0,
      base: base && summary(base),
      overlay: overlay && summary(overlay),
      wave: wave && {
        base: wave.base.version,
        former: wave.former.version,
        router: wave.canary,
        began_at: wave.began_at,
      },
      automation: { ...held, problems: [...new Set([...held.problems, ...invalid])] },
      cells: cells.rows
        .map(({ value: { cell } }) => cellView(cell, observations, overlay?.overlay, whyWaiting(cell)))
        .sort((a, b) => a.slot - b.slot)
        .map((view) => ({
          id: view.id,
          slot: view.slot,
          role: view.role,
          zone: view.zone,
          state: view.state,
          health: view.health,
          reason: view.health_reason,
          endpoint: view.endpoint,
          undelivered: view.holdings?.undelivered ?? null,
          problem: view.problem,
        })),
      routers: latest(observations.routers.list(), routers.rows, (router) => router.router).map((router) => ({
        ...router,
        is_reporting: observations.routers.isReporting(router.router),
      })),
      hosts: latest(observations.hosts.list(), hosts.rows, (host) => host.host).map((host) => ({
        ...host,
        is_reporting: observations.hosts.isReporting(host.host),
      })),
      tenants: await store.count(TENANTS),
      blast_radius: radius && {
        worst_cell_touched: radius.worst_cell?.tenants_touched ?? 0,
        worst_cell_lost: radius.worst_cell?.tenants_lost ?? 0,
        worst_pair_lost: radius.worst_pair?.tenants_lost ?? 0,
      },
    }
  }

  return {
    async getStatus() {
      return parsed(await status())
    },
    async getBase({ router }) {
      const base = published.baseFor(router)
      return base ? { ok: true, document: base } : nothingPublished()
    },
    async getOverlay() {
      const overlay = published.overlay()
      return overlay ? { ok: true, document: overlay } : nothingPublished()
    },
    async listVersions() {
      const versions = intact(await store.list(VERSIONS, { order: 'descending' }))
      return parsed({ versions })
    },
    async getVersion({ params: { version } }) {
      const found = await readVersion(store, version)
      if (!found.ok) return found
      const { text } = found.value
      return { ok: true, document: { text, etag: etagOf(text) } }
    },
    async getBlastRadius() {
      const radius = await blastRadius.measure()
      return radius ? parsed(radius) : nothingPublished()
    },
    async listAudit({ query: { after, limit } }) {
      const page = { limit, order: 'descending' as const, ...(after === undefined ? {} : { after }) }
      const entries = intact(await store.list(AUDIT, page))
      return parsed({ entries, next: entries.length === limit ? (entries.at(-1)?.id ?? null) : null })
    },
  }
}

function summary({ epoch, version, issuedAt }: HeldDocument) {
  return { epoch, version, issued_at: issuedAt }
}

/** What was heard of, and what is only remembered from before this replica listened; by name. */
function latest<T>(heard: readonly T[], stored: readonly Row<T>[], nameOf: (one: T) => string): T[] {
  const byName = new Map(stored.map(({ value }) => [nameOf(value), value]))
  for (const one of heard) byName.set(nameOf(one), one)
  return [...byName.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
