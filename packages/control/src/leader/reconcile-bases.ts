/**
 * What a tenure does about the base: plans one when something changed, lets it go to one router first, and finishes that or
 * takes it back.
 *
 *     settled ──(something changed)──▶ in a wave ──(well)──▶ settled
 *        ▲                                └──(ill)──▶ taken back, halt ──(somebody resumes)──┐
 *        └───────────────────────────────────────────────────────────────────────────────────┘
 *
 * One base at a time: while one is in its wave nothing else is published, and what changes meanwhile is in the next. After
 * one was taken back nothing is planned at all, because the same declarations would make the same base again. All of it is
 * in the store, so it outlives this process.
 */
import { formatProblems, type Parsed, type Problem, parsed, problem, refused } from '@cellplane/contract'
import type { AppliedPlacement, Rollback } from '@cellplane/contract/api'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import { monotonicNow } from '../clock.ts'
import { applyPlacementPlan, undoPlacementPlan } from '../placement/stored-plan.ts'
import type { RouterReports } from '../routers/router-reports.ts'
import { CELLS, HALT_KEY, HALTS, type StoredCell, WAVE_KEY, WAVES } from '../store/collections.ts'
import { intact, type Store } from '../store/store.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import { planRollback, planTakeBack } from '../topology/plan-return.ts'
import type { Published } from '../topology/published.ts'
import { type Publisher, toAllAtOnce } from '../topology/publisher.ts'
import { createRollout } from '../topology/rollout.ts'
import { readVersion } from '../topology/versions.ts'
import { HeldBack } from './automation.ts'

/** The base is planned anew when something changed, or after this: planning costs a second at 1,000 cells. */
const BASE_REVIEW_MS = 30_000

export type BaseReconcilerOptions = {
  store: Store
  planner: BasePlanner
  published: Published
  publisher: Publisher
  routers: RouterReports
  fleet: Pick<FleetFile, 'topology'>
  now: () => number
}

export type BaseReconciler = ReturnType<typeof createBaseReconciler>

/** What only the one that publishes may do, asked for by the API. Once it was taken up it has an answer or an error. */
export type BaseRequest<T> = {
  answer?: Parsed<T>
  error?: unknown
  /** Nobody waits for it any more: it is not to be taken up. */
  withdraw: () => void
}

export function createBaseReconciler(options: BaseReconcilerOptions) {
  const { store, planner, published, publisher, routers, fleet, now } = options
  const watchMs = fleet.topology.watch_seconds * 1000
  const rollout = createRollout({ store, published, routers, watchMs })
  /** What the last base was planned of, when, and why it could not be published. */
  let planned = { change: -1, of: '', epoch: 0, at: 0, refusal: [] as Problem[] }
  const requests = new Set<(epoch: number) => Promise<void>>()

  /** False while a base is in its wave. */
  async function advanceWave(epoch: number): Promise<boolean> {
    const verdict = rollout.judge()
    if (!verdict) return true
    if (verdict.kind === 'wait') return false
    if (verdict.kind === 'finish') await rollout.finish(now())
    else await takeBack(epoch, verdict.reason)
    return true
  }

  async function takeBack(epoch: number, reason: string): Promise<void> {
    const wave = published.wave()
    if (!wave) return
    const why = `base ${wave.base.version} was taken back: ${reason}`
    const taken = await publisher.publishPlanned(
      async (writer, held) => {
        await writer.remove(WAVES, WAVE_KEY)
        await undoPlacementPlan(writer, wave.base, now())
        await writer.put(HALTS, HALT_KEY, {
          base: wave.base,
          reason: why,
          at: new Date(now()).toISOString(),
        })
        const subject = `base ${wave.base.version}, back to ${wave.former.version}`
        const change = { actor: AUTOMATION, action: 'topology.take-back', subject, reason }
        await recordChange(writer, change, now())
        const base = planTakeBack(held.document, wave.held.document, epoch, now())
        return parsed({ base, notes: [why] })
      },
      toAllAtOnce,
      now(),
    )
    if (!taken.ok) throw new Error(`${why}, but that failed: ${formatProblems(taken.problems)}`)
  }

  /** Why no base can be published on request at the moment. */
  async function whyNotNow(): Promise<Parsed<undefined>> {
    if (published.wave())
      return refused(problem('CONFLICT', '', 'a base is in its wave; wait until it is over'))
    const halt = await store.get(HALTS, HALT_KEY)
    return halt
      ? refused(problem('CONFLICT', '', `${halt.reason}; resume first (\`cellplane topology resume\`)`))
      : parsed(undefined)
  }

  async function rollBack(version: number, cause: ForcibleCause, epoch: number): Promise<Parsed<Rollback>> {
    const mayPublish = await whyNotNow()
    if (!mayPublish.ok) return mayPublish
    let kept: string[] = []
    const done = await publisher.publishPlanned(
      async (writer, held) => {
        const old = await readVersion(writer, version)
        if (!old.ok) return old
        const cells = intact(await writer.list(CELLS)).map((stored) => stored.cell)
        const { ground, answerFor } = await planner.read(writer, cells, epoch)
        const plan = planRollback({ ...ground, cells, current: held.document, old: old.value.document })
        if (!plan.ok) return plan
        const subject = `base ${held.version}, back to ${version}`
        const base = await answerFor(plan.value.base, cause, subject)
        if (!base.ok) return base
        const { actor, reason } = cause
        await recordChange(writer, { actor, reason, action: 'topology.rollback', subject }, now())
        kept = plan.value.kept
        return parsed({ base: base.value, notes: [`back to ${version}`] })
      },
      rollout.begin,
      now(),
    )
    const base = published.base()
    if (!done.ok) return done
    return parsed({ epoch: base!.epoch, version: base!.version, of: version, kept })
  }

  /** The table and weights of a plan that was shown, as the next base. */
  async function applyPlan(
    plan: string,
    cause: ForcibleCause,
    epoch: number,
  ): Promise<Parsed<AppliedPlacement>> {
    const mayPublish = await whyNotNow()
    if (!mayPublish.ok) return mayPublish
    let what = ''
    const done = await publisher.publishPlanned(
      async (writer, held) => {
        const ground = { planner, held, epoch, now: now() }
        const step = await applyPlacementPlan(writer, plan, cause, ground)
        if (!step.ok) return step
        const { base, subject, commit } = step.value
        const { actor, reason } = cause
        await recordChange(writer, { actor, reason, action: 'placement.apply', subject }, now())
        what = subject
        return parsed({ base, notes: [`plan ${plan}: ${subject}`], commit })
      },
      rollout.begin,
      now(),
    )
    if (!done.ok) return done
    const base = published.base()!
    return parsed({ plan, epoch: base.epoch, version: base.version, what })
  }

  async function publishWhenDue(cells: readonly StoredCell[], change: number, epoch: number): Promise<void> {
    const of = JSON.stringify(cells)
    const isDue =
      planned.change !== change ||
      planned.of !== of ||
      planned.epoch !== epoch ||
      monotonicNow() - planned.at > BASE_REVIEW_MS ||
      // These last until a base is out: one that was refused would be planned by every run, for the same refusal.
      (planned.refusal.length === 0 && (somethingFormerExpires() || isSignedByFormerKey()))
    if (!isDue) return
    const base = await publisher.publishBase(epoch, now(), rollout.begin)
    planned = { change, of, epoch, at: monotonicNow(), refusal: base.ok ? [] : base.problems }
  }

  /** To be taken up by the next run that gets so far. What goes wrong is for who asked, and keeps no other from its turn. */
  function request<T>(run: (epoch: number) => Promise<Parsed<T>>): BaseRequest<T> {
    const one: BaseRequest<T> = { withdraw: () => requests.delete(take) }
    async function take(epoch: number): Promise<void> {
      requests.delete(take)
      try {
        one.answer = await run(epoch)
      } catch (error) {
        one.error = error
      }
    }
    requests.add(take)
    return one
  }

  function isSignedByFormerKey(): boolean {
    const base = published.base()
    return base !== null && !publisher.signed(base.document)
  }

  function somethingFormerExpires(): boolean {
    const base = published.base()?.document
    const former = [...(base?.former_tables ?? []), ...(base?.former_overrides ?? [])]
    return former.some((one) => Date.parse(one.until) <= now())
  }

  return {
    /** `change` counts what the API changed. Throws why no base is published at the moment. */
    async run(cells: readonly StoredCell[], change: number, epoch: number): Promise<void> {
      const isFree = await advanceWave(epoch)
      for (const take of [...requests]) await take(epoch)
      if (!isFree || published.wave()) return
      const halt = await store.get(HALTS, HALT_KEY)
      if (halt) {
        throw new HeldBack(
          `no base is published: ${halt.reason}; look, and resume (\`cellplane topology resume\`)`,
        )
      }
      if (!cells.some(({ cell }) => cell.state === 'active' && cell.role === 'serving')) return
      await publishWhenDue(cells, change, epoch)
      if (planned.refusal.length === 0) return
      const why = `the base cannot be published: ${formatProblems(planned.refusal)}`
      // Beyond the budget it waits for an operator's leave; any other refusal is something to repair.
      throw planned.refusal.every(({ code }) => code === 'BUDGET_EXCEEDED')
        ? new HeldBack(why)
        : new Error(why)
    },
    /** Whether the base that is planned last has this change, or was refused with it. */
    hasTakenUp: (change: number): boolean => planned.change >= change,
    requestRollback: (version: number, cause: ForcibleCause) =>
      request((epoch) => rollBack(version, cause, epoch)),
    requestPlan: (plan: string, cause: ForcibleCause) => request((epoch) => applyPlan(plan, cause, epoch)),
    isInWave: (): boolean => published.wave() !== null,
  }
}
