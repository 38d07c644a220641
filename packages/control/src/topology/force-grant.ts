/**
 * An operator's leave to exceed the budget once.
 *
 * Who forces a change sees what it exceeds and by how much, and grants that much: the base that follows is published, and
 * marked as forced so that routers take it, only if it exceeds no more. The reconciler plans that base anew a moment later; what
 * else came in between cannot hide behind the leave. It lapses when it is used, and after a while when it is not.
 */
import { type Parsed, type Problem, parsed } from '@cellplane/contract'
import { budgetProblems, type Excess } from '@cellplane/core'
import { recordChange } from '../audit/audit.ts'
import { GRANT_KEY, GRANTS } from '../store/collections.ts'
import type { StoreReader, StoreWriter } from '../store/store.ts'

/** A cell that was forced in has to come up before its base is planned. */
const GRANT_MS = 10 * 60_000

const ROUNDING = 1e-6

export type ForcibleCause = { actor: string; reason: string; force?: boolean | undefined }

/** For a change that the reconciler publishes: as `answerForExcess`, and the leave is stored. */
export async function allowExcess(
  writer: StoreWriter,
  excesses: readonly Excess[],
  cause: ForcibleCause,
  subject: string,
  now: number,
): Promise<Parsed<void>> {
  const answered = await answerForExcess(writer, excesses, cause, subject, now)
  if (!answered.ok || excesses.length === 0) return answered
  const { actor, reason } = cause
  const allowed = excesses.map(({ budget, value }) => ({ budget, value }))
  await writer.put(GRANTS, GRANT_KEY, { actor, reason, at: new Date(now).toISOString(), allowed })
  return answered
}

/** Refused with BUDGET_EXCEEDED for each excess unless `cause.force`; then it is audited who answers for it. */
export async function answerForExcess(
  writer: StoreWriter,
  excesses: readonly Excess[],
  cause: ForcibleCause,
  subject: string,
  now: number,
): Promise<Parsed<void>> {
  if (excesses.length === 0) return parsed(undefined)
  if (!cause.force) return overBudget(excesses)
  const { actor, reason } = cause
  const what = `${subject}: ${excesses.map((one) => one.message).join('; ')}`
  await recordChange(writer, { actor, reason, action: 'topology.force', subject: what }, now)
  return parsed(undefined)
}

/** Refused with BUDGET_EXCEEDED unless there is a leave that covers all of it. */
export async function checkGrant(
  reader: StoreReader,
  excesses: readonly Excess[],
  now: number,
): Promise<Parsed<void>> {
  if (excesses.length === 0) return parsed(undefined)
  const grant = await reader.get(GRANTS, GRANT_KEY)
  const isValid = grant !== undefined && now - Date.parse(grant.at) < GRANT_MS
  const isCovered = ({ budget, value }: Excess) =>
    grant?.allowed.some((one) => one.budget === budget && value <= one.value + ROUNDING) ?? false
  return isValid && excesses.every(isCovered) ? parsed(undefined) : overBudget(excesses)
}

/** The same for the base that is published now: the leave is used up. */
export async function useGrant(
  writer: StoreWriter,
  excesses: readonly Excess[],
  now: number,
): Promise<Parsed<void>> {
  const leave = await checkGrant(writer, excesses, now)
  if (leave.ok && excesses.length > 0) await writer.remove(GRANTS, GRANT_KEY)
  return leave
}

function overBudget(excesses: readonly Excess[]): { ok: false; problems: Problem[] } {
  const remedy = 'change less at once, or force it with a reason (CLI: --force --reason; API: "force": true)'
  return {
    ok: false,
    problems: budgetProblems(excesses).map((one) => ({ ...one, message: `${one.message}; ${remedy}` })),
  }
}
