/**
 * What is not done at the moment, and why, by the part that does not do it: shown in the status, so that it is never silent.
 *
 *     freeze    held back on purpose, until it is safe or an operator says so: too many cells look bad, a quarantine rule is
 *               beyond its limits, a base was taken back or is over the budget, an operator froze automation
 *     problem   tried, and not possible: the database does not answer, the bucket cannot be written. It is tried again, and the
 *               other parts go on
 *
 * They are apart since they ask different things of a person: to judge, or to repair.
 */
export type Automation = ReturnType<typeof createAutomation>

export type HindranceKind = 'freeze' | 'problem'

/** Thrown by a part that holds back on purpose. */
export class HeldBack extends Error {
  override readonly name = 'HeldBack'
}

/** `onChange` hears of each reason once, and of its end as null. */
export function createAutomation(
  onChange: (part: string, reason: string | null, kind: HindranceKind) => void,
) {
  const hindrances = new Map<string, { reason: string; kind: HindranceKind }>()
  const reasons = (kind: HindranceKind) =>
    // Of a database that is gone every part says the same.
    [...new Set([...hindrances.values()].filter((one) => one.kind === kind).map(({ reason }) => reason))]
  return {
    /** A part has one reason or none; null is its end. */
    report(part: string, reason: string | null, kind: HindranceKind = 'problem'): void {
      const before = hindrances.get(part)
      if ((before?.reason ?? null) === reason && (reason === null || before?.kind === kind)) return
      if (reason === null) hindrances.delete(part)
      else hindrances.set(part, { reason, kind })
      onChange(part, reason, reason === null ? (before?.kind ?? kind) : kind)
    },
    clear(): void {
      hindrances.clear()
    },
    view(): { is_frozen: boolean; reason: string; problems: string[] } {
      const freezes = reasons('freeze')
      return { is_frozen: freezes.length > 0, reason: freezes.join('; '), problems: reasons('problem') }
    },
  }
}
