/** What automation cannot do at the moment, and why, by the part that cannot: shown in the status, so that a freeze is never silent. */
export type Automation = ReturnType<typeof createAutomation>

/** `onChange` hears of each reason once, and of its end as null. */
export function createAutomation(onChange: (part: string, reason: string | null) => void) {
  const reasons = new Map<string, string>()
  return {
    report(part: string, reason: string | null): void {
      if ((reasons.get(part) ?? null) === reason) return
      if (reason === null) reasons.delete(part)
      else reasons.set(part, reason)
      onChange(part, reason)
    },
    clear(): void {
      reasons.clear()
    },
    view: (): { is_frozen: boolean; reason: string } => ({
      is_frozen: reasons.size > 0,
      reason: [...reasons.values()].join('; '),
    }),
  }
}
