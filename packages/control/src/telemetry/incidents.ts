/**
 * Incidents: when a cell burned its budget at a rate that pages, from when errors began until they ended.
 *
 *     none ── a page fires, and the last minutes burn ──▶ open
 *     open ── no page fires, or the last minutes are calm ──▶ closed, as of the last bad step
 *     closed ── burns again within half an hour ──▶ open, the same incident
 *
 * The conditions of longer windows go on for up to half an hour after the trouble; the last minutes say that it is over.
 * An incident is stored when it opens and when it closes, so that it outlives the replica that saw it.
 */
import { periodSecondsOf, type Slo } from '@cellplane/contract'
import { burnConditions, burnRate, type Counts, troubleIn } from '@cellplane/core'
import { FINE_SECONDS, type FleetMetrics } from '@cellplane/telemetry'
import { INCIDENTS, incidentKey, type StoredIncident } from '../store/collections.ts'
import { intact, type Store } from '../store/store.ts'
import type { Alert, Alerts } from './alerts.ts'
import { indicatorCounts } from './evaluate.ts'

/** Incidents kept. The oldest go. */
export const INCIDENTS_MAX = 2_000

/** Trouble is over after so long without. */
const CALM_SECONDS = 300
/** Looked through for when it began, or ended: longer than the calm after it. */
const TROUBLE_SECONDS = 2 * CALM_SECONDS
/** Below this a budget lasts for its period. */
const CALM_RATE = 1
const REOPENS_WITHIN_MS = 30 * 60_000

/** What was seen of a cell when it began to fail. */
export type Cause = Pick<StoredIncident, 'cause' | 'reason'>

export type IncidentsOptions = {
  store: Pick<Store, 'list' | 'write'>
  metrics: FleetMetrics
  causeOf(cell: string, at: number): Cause
}

export type Incidents = ReturnType<typeof createIncidents>

export function createIncidents({ store, metrics, causeOf }: IncidentsOptions) {
  /** The latest of each cell: open, or closed not long ago. Undefined until they were read. */
  let latest: Map<string, StoredIncident> | undefined

  async function load(): Promise<Map<string, StoredIncident>> {
    const rows = intact(await store.list(INCIDENTS, { order: 'descending', limit: INCIDENTS_MAX }))
    return new Map(rows.toReversed().map((incident) => [incident.cell, incident]))
  }

  /** The page whose cell still fails, the most urgent of each cell. */
  async function burningPages(alerts: Alerts, until: number): Promise<Map<string, Alert>> {
    const pages = [...alerts.values()].filter(({ severity }) => severity === 'page')
    const found = new Map<string, Alert>()
    for (const slo of new Set(pages.map((page) => page.slo))) {
      const counts = await indicatorCounts(metrics, slo, { until, seconds: CALM_SECONDS })
      for (const page of pages) {
        if (page.slo !== slo || found.has(page.cell)) continue
        const recent = counts.get(page.cell)
        if (recent && burnRate(recent, slo.target) > CALM_RATE) found.set(page.cell, page)
      }
    }
    return found
  }

  /** When errors of the last minutes began and ended. */
  async function recentTrouble(cell: string, slo: Slo, until: number) {
    const counts: Counts[] = []
    for (let before = TROUBLE_SECONDS - FINE_SECONDS; before >= 0; before -= FINE_SECONDS) {
      const step = { until: until - before * 1_000, seconds: FINE_SECONDS }
      counts.push((await indicatorCounts(metrics, slo, step)).get(cell) ?? { total: 0, good: 0 })
    }
    const pages = burnConditions(periodSecondsOf(slo.period)).filter(({ severity }) => severity === 'page')
    const factor = Math.min(...pages.map((one) => one.factor))
    return troubleIn({ counts, until, stepMs: FINE_SECONDS * 1_000 }, slo.target, factor)
  }

  async function open(page: Alert, until: number): Promise<StoredIncident> {
    const before = latest?.get(page.cell)
    if (before?.until && until - before.until < REOPENS_WITHIN_MS) return { ...before, until: null }
    const trouble = await recentTrouble(page.cell, page.slo, until)
    const none = { total: 0, good: 0 }
    return {
      cell: page.cell,
      slo: page.slo.name,
      ...causeOf(page.cell, until),
      from: trouble?.from ?? page.since,
      until: null,
      of_cell: none,
      of_fleet: none,
    }
  }

  async function close(incident: StoredIncident, slos: readonly Slo[], now: number): Promise<StoredIncident> {
    const slo = slos.find(({ name }) => name === incident.slo)
    const trouble = slo && (await recentTrouble(incident.cell, slo, now))
    const until = Math.max(incident.from, trouble?.until ?? now)
    return { ...incident, until, ...(await countsDuring(metrics, { ...incident, until }, now)) }
  }

  async function save(changed: readonly StoredIncident[]): Promise<void> {
    await store.write(async (writer) => {
      for (const incident of changed) await writer.put(INCIDENTS, incidentKey(incident), incident)
      const excess = (await writer.count(INCIDENTS)) - INCIDENTS_MAX
      if (excess <= 0) return
      const oldest = await writer.list(INCIDENTS, { limit: excess })
      for (const { key } of [...oldest.rows, ...oldest.invalid]) await writer.remove(INCIDENTS, key)
    })
  }

  return {
    /** `now` is the end of a step, in ms since the epoch. */
    async reconcile(alerts: Alerts, slos: readonly Slo[], now: number): Promise<void> {
      latest ??= await load()
      const burning = await burningPages(alerts, now)
      const changed: StoredIncident[] = []
      for (const [cell, page] of burning) {
        if (latest.get(cell)?.until !== null) changed.push(await open(page, now))
      }
      for (const incident of latest.values()) {
        if (incident.until === null && !burning.has(incident.cell)) {
          changed.push(await close(incident, slos, now))
        }
      }
      if (changed.length === 0) return
      await save(changed)
      for (const incident of changed) latest.set(incident.cell, incident)
    },
    /** Another replica may write from now on. */
    forget(): void {
      latest = undefined
    },
  }
}

/** Requests to the cell and to the fleet while it lasted; of one that goes on, so far. */
export async function countsSoFar(
  metrics: FleetMetrics,
  incident: StoredIncident,
  now: number,
): Promise<Pick<StoredIncident, 'of_cell' | 'of_fleet'>> {
  return incident.until === null ? await countsDuring(metrics, incident, now) : incident
}

async function countsDuring(
  metrics: FleetMetrics,
  { cell, from, until }: Pick<StoredIncident, 'cell' | 'from' | 'until'>,
  now: number,
): Promise<Pick<StoredIncident, 'of_cell' | 'of_fleet'>> {
  const end = until ?? now
  const counts = await metrics.counts({ until: end, seconds: Math.max(FINE_SECONDS, (end - from) / 1_000) })
  return { of_cell: counts.get(cell) ?? { total: 0, good: 0 }, of_fleet: sumOf(counts.values()) }
}

export function sumOf(counts: Iterable<Counts>): Counts {
  let [total, good] = [0, 0]
  for (const one of counts) {
    total += one.total
    good += one.good
  }
  return { total, good }
}
