/** Times as Prometheus and Alertmanager write them. */

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** In the largest unit that fits whole: 300 → `5m`, 5400 → `90m`, 0.25 → `250ms`. */
export function durationText(seconds: number): string {
  const unit = UNITS.find(([, length]) => seconds >= length && seconds % length === 0)
  return unit ? `${seconds / unit[1]}${unit[0]}` : `${Math.max(1, Math.round(seconds * 1000))}ms`
}
