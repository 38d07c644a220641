/** Medians, and which differences are none. */

/** Two runs of the same thing on a shared machine differ by this much. */
export const TIE_SHARE = 0.05

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** By entry: the median of each thing that was found. */
export function mediansOf(
  raw: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>,
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.entries(raw).map(([entry, findings]) => {
      const names = Object.keys(findings[0] ?? {})
      return [
        entry,
        Object.fromEntries(names.map((name) => [name, round(median(findings.map((f) => f[name]!)), 3)])),
      ]
    }),
  )
}

/** `ratio` in words: `1.02 (tie)`. */
export function formatRatio(ratio: number): string {
  const isTie = Math.abs(ratio - 1) < TIE_SHARE
  return `${ratio.toFixed(2)}${isTie ? ' (tie)' : ''}`
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
