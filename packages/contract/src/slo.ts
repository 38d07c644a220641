/**
 * Service level objectives, as a fleet declares them. Each counts for every cell by itself: an average over the fleet
 * would hide one bad cell of sixteen.
 *
 * An indicator is a share of good requests, as routers see them: those that were answered without a server error, those
 * whose answer began in time, or those that found room at the cell. Times and fullness are counted in buckets, so a
 * threshold has to be one of their bounds: between two of them nobody knows.
 */
import * as v from 'valibot'
import { about, list, strictObject } from './schema/index.ts'

/**
 * The bounds by which durations of answers are counted, everywhere: in routers' metrics and reports, and in what is made
 * of them. Wide enough for a cache hit and for a report that takes half a minute.
 */
export const LATENCY_THRESHOLDS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
] as const

/**
 * What routers count by how full requests find a cell: shares of the limit in force. Tenths, so that they are counted in
 * whole numbers; close together where a cell begins to be short of room.
 */
export const SATURATION_SHARES = [0.5, 0.6, 0.7, 0.8, 0.9, 1] as const

const UNIT_SECONDS = { h: 3_600, d: 86_400 } as const

/** From an hour, the shortest that a budget is watched for, to 30 days, as long as metrics are kept. */
const periodSchema = v.pipe(
  v.string(),
  v.regex(
    /^(?:(?:[1-9]|[12]\d|30)d|(?:[1-9]\d?|[1-6]\d\d|7[01]\d|720)h)$/,
    'a period from 1h to 30d is expected, such as 30d, 7d or 12h',
  ),
)

/** The period of an objective in seconds. */
export function periodSecondsOf(period: string): number {
  return Number(period.slice(0, -1)) * UNIT_SECONDS[period.at(-1) as keyof typeof UNIT_SECONDS]
}

const nameSchema = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name is a–z, 0–9 and "-", and starts with a letter'),
)

const targetSchema = about(
  v.pipe(v.number(), v.minValue(0.5), v.maxValue(0.99999)),
  'Share of good requests: 0.999.',
)
const period = v.optional(about(periodSchema, 'What the error budget is for.'), '30d')

export const sloSchema = v.variant('indicator', [
  strictObject({
    name: nameSchema,
    indicator: about(v.literal('availability'), 'Answered, and not with a 5xx.'),
    target: targetSchema,
    period,
  }),
  strictObject({
    name: nameSchema,
    indicator: about(v.literal('latency'), 'The answer began in time.'),
    threshold_ms: about(
      v.picklist(LATENCY_THRESHOLDS_MS),
      'One of the bounds that durations are counted by.',
    ),
    target: targetSchema,
    period,
  }),
  strictObject({
    name: nameSchema,
    indicator: about(v.literal('saturation'), 'The request found the cell at most so full.'),
    threshold_share: about(
      v.picklist(SATURATION_SHARES),
      'Of the limit in force at the router. One of the bounds that fullness is counted by; at 1, good is what no ceiling turned away.',
    ),
    target: targetSchema,
    period,
  }),
])
export type Slo = v.InferOutput<typeof sloSchema>

/** What counts where a fleet declares nothing. */
export const DEFAULT_SLOS: Slo[] = [
  { name: 'availability', indicator: 'availability', target: 0.999, period: '30d' },
  { name: 'latency', indicator: 'latency', threshold_ms: 1_000, target: 0.99, period: '30d' },
]

export const SLOS_MAX = 8

export const slosSchema = list(sloSchema, 0, SLOS_MAX)
