/** Numbers of a report, as a person reads them; the terminal and the page say the same. */
import type { AvailabilityView } from '@cellplane/contract/api'

/** Floating point puts 99.99 a hair below itself; rounding down would then take a digit. */
const HAIR = 1e-6

/** As many digits as tell it from 100 %: `99.982 %`. Never rounded up to a whole. */
export function availabilityText({ availability }: Pick<AvailabilityView, 'availability'>): string {
  if (availability === 1) return '100 %'
  const digits = Math.min(6, Math.max(2, Math.ceil(-Math.log10(1 - availability) - HAIR) - 1))
  const floored = Math.floor(availability * 100 * 10 ** digits + HAIR) / 10 ** digits
  return `${floored.toFixed(digits)} %`
}

export function ninesText({ nines, requests }: Pick<AvailabilityView, 'nines' | 'requests'>): string {
  if (requests === 0) return '–'
  return nines === null ? 'all' : nines.toFixed(1)
}

/** `45 s`, `3 min`, `2.5 h`, `12 d`. */
export function durationText(seconds: number | null): string {
  if (seconds === null) return '–'
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Number((seconds / 3_600).toFixed(1))} h`
  return `${Number((seconds / 86_400).toFixed(1))} d`
}

export const countText = (n: number): string => Math.round(n).toLocaleString('en-US')

/** Whatever the currency is that prices are given in. */
export function costText(cost: number | null): string {
  return cost === null
    ? '–'
    : cost.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}

/** `2026-01-01 12:34`, in UTC. */
export const timeText = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 16)}`

/** How the counterfactual is reckoned: whoever reads the number should know. */
export const WITHOUT_CELLS_METHOD =
  'Without cells: while an incident went on, the same share of all of the fleet’s requests would have failed as failed at its cell. It is an estimate: some faults would have stayed in a part all the same, and a larger stack takes longer to come back.'
