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
import { setImmediate as letOthersRun } from 'node:timers/promises'
import { periodSecondsOf, type Slo } from '@cellplane/contract'
import { burnConditions, burnRate, type Counts, troubleIn } from '@cellplane/core'
import type { FleetMetrics } from '@cellplane/telemetry'
import { INCIDENTS, incidentKey, type StoredIncident } from '../store/collections.ts'
import { intact, type Store } from '../store/store.ts'
import type { Alert, Alerts } from './alerts.ts'
import type { IsOver } from './endings.ts'

/** Incidents kept. The oldest go. */
export const INCIDENTS_MAX = 2_000

/** Trouble is over after so long without. */
export const CALM_SECONDS = 300
/** Looked through for when it began. */
const BEGINNING_SECONDS = 2 * CALM_SECONDS
/** Looked through at once for when it ended: where nobody measured for a while, that is longer ago than the calm after it. */
const END_SECONDS = 3_600
/** How far back it is looked, an hour at a time: single steps are kept for a day. */
const END_SECONDS_MAX = 24 * END_SECONDS
/** Below this a budget lasts for its period. */
const CALM_RATE = 1
const REOPENS_WITHIN_MS = 30 * 60_000
/** Windows whose counts of all cells are held for an answer: some 100 KB each in a fleet of 1,000 cells. */
const WINDOWS_HELD_MAX = 64

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
      const counts = await metrics.counts({ until, seconds: CALM_SECONDS }, slo)
      for (const page of pages) {
        if (page.slo !== slo || found.has(page.cell)) continue
        const recent = counts.get(page.cell)
        if (recent && burnRate(recent, slo.target) > CALM_RATE) found.set(page.cell, page)
      }
    }
    return found
  }

  async function open(page: Alert, until: number, troubles: Troubles): Promise<StoredIncident> {
    const before = latest?.get(page.cell)
    if (before?.until && until - before.until < REOPENS_WITHIN_MS) return { ...before, until: null }
    const trouble = await troubles.of(page.cell, page.slo, until)
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
    /** `now` is the end of a step, in ms since the epoch. `isOver`: whether calm was measured, and is not silence. */
    async reconcile(alerts: Alerts, slos: readonly Slo[], now: number, isOver: IsOver): Promise<void> {
      latest ??= await load()
      const burning = await burningPages(alerts, now)
      const beginnings = createTroubles(metrics, BEGINNING_SECONDS)
      const ends = createTroubles(metrics, END_SECONDS)
      const incidentCounts = createIncidentCounts(metrics, now)
      const changed: StoredIncident[] = []
      for (const [cell, page] of burning) {
        if (latest.get(cell)?.until !== null) changed.push(await open(page, now, beginnings))
      }
      const calm = [...latest.values()].filter(({ cell, until }) => until === null && !burning.has(cell))
      for (const incident of calm) {
        const { cell, from } = incident
        if (!(await isOver({ cell, slo: incident.slo, since: from }))) continue
        const slo = slos.find(({ name }) => name === incident.slo)
        const end = slo && (await endOf(incident, slo, ends, now))
        const closed = { ...incident, until: Math.max(from, end ?? now - CALM_SECONDS * 1_000) }
        changed.push({ ...closed, ...(await incidentCounts.during(closed)) })
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

type Troubles = ReturnType<typeof createTroubles>

/**
 * When errors of the `seconds` until then began and ended. Asked once for each objective and time, since a whole fleet may fail
 * at once.
 */
function createTroubles(metrics: FleetMetrics, seconds: number) {
  const overTime = new Map<string, ReadonlyMap<string, readonly Counts[]>>()
  return {
    async of(cell: string, slo: Slo, until: number) {
      const key = `${slo.name} ${until}`
      const steps =
        overTime.get(key) ?? (await metrics.countsOverTime({ until, seconds }, metrics.stepSeconds, slo))
      overTime.set(key, steps)
      const pages = burnConditions(periodSecondsOf(slo.period)).filter(({ severity }) => severity === 'page')
      const factor = Math.min(...pages.map((one) => one.factor))
      const counts = steps.get(cell) ?? []
      return troubleIn({ counts, until, stepMs: metrics.stepSeconds * 1_000 }, slo.target, factor)
    },
  }
}

/** The last bad step since it began; undefined where none of the last day's is known. */
async function endOf(
  { cell, from }: StoredIncident,
  slo: Slo,
  troubles: Troubles,
  now: number,
): Promise<number | undefined> {
  const earliest = Math.max(from, now - END_SECONDS_MAX * 1_000)
  for (let until = now; until > earliest; until -= END_SECONDS * 1_000) {
    const trouble = await troubles.of(cell, slo, until)
    if (trouble) return trouble.until
  }
  return undefined
}

/**
 * Requests to an incident's cell and to the fleet while it lasted. For one answer or one look, as of `now`: incidents of
 * the same time, as in an outage of the whole fleet, are one question, and others have their turn between questions.
 */
export function createIncidentCounts(metrics: FleetMetrics, now: number) {
  const windows = new Map<string, { cells: ReadonlyMap<string, Counts>; fleet: Counts }>()

  async function during({ cell, from, until }: Pick<StoredIncident, 'cell' | 'from' | 'until'>) {
    const end = until ?? now
    const key = `${from} ${end}`
    let found = windows.get(key)
    if (!found) {
      await letOthersRun()
      const seconds = Math.max(metrics.stepSeconds, (end - from) / 1_000)
      const cells = await metrics.counts({ until: end, seconds })
      found = { cells, fleet: sumOf(cells.values()) }
      if (windows.size < WINDOWS_HELD_MAX) windows.set(key, found)
    }
    return { of_cell: found.cells.get(cell) ?? { total: 0, good: 0 }, of_fleet: found.fleet }
  }

  return {
    during,
    /** Of one that goes on, so far; of one that is over, as stored. */
    soFar: async (incident: StoredIncident): Promise<Pick<StoredIncident, 'of_cell' | 'of_fleet'>> =>
      incident.until === null ? await during(incident) : incident,
  }
}

export function sumOf(counts: Iterable<Counts>): Counts {
  let [total, good] = [0, 0]
  for (const one of counts) {
    total += one.total
    good += one.good
  }
  return { total, good }
}
