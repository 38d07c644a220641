/** The figures side by side, a line for each, and the series as one line of blocks for each ground. */
import type { Plan } from '../plan.ts'
import type { Containment, Replay, Second } from '../run.ts'

const COLUMN = 26
const BLOCKS = ' ▁▂▃▄▅▆▇█'

type Row = readonly [what: string, figure: (replay: Replay) => string]

export const ROWS: readonly Row[] = [
  ['cells that crashed', ({ cellsCrashed }) => String(cellsCrashed)],
  ['crashes of serving cells', ({ crashes }) => String(crashes)],
  ['  the last, from the first poisonous request', ({ lastCrashAfterMs }) => after(lastCrashAfterMs)],
  ['good tenants’ requests that failed', ({ good }) => `${good.failures} of ${good.requests}`],
  ['good tenants that saw a failure', ({ good }) => `${good.tenantsFailed} of ${good.tenants}`],
  ['  the last, from the first poisonous request', ({ lastFailureAfterMs }) => after(lastFailureAfterMs)],
  ['poisonous tenant in quarantine, after its second crash', ({ poison }) => contained(poison)],
  ['failing tenant in quarantine, after its 20th error', ({ failing }) => contained(failing)],
  ['  cells taken out for its errors', ({ failing }) => String(failing.cellsOut.length)],
  ['  good tenants’ failures since it began', ({ failing }) => String(failing.goodFailures)],
]

export function tableOf(replays: readonly Replay[]): string {
  const widest = Math.max(...ROWS.map(([what]) => what.length))
  const lines = ROWS.map(([what, figure]) => [what, ...replays.map(figure)])
  return [['', ...replays.map(({ ground }) => ground)], ...lines]
    .map(([what, ...figures]) => what!.padEnd(widest) + figures.map((f) => f.padStart(COLUMN)).join(''))
    .join('\n')
}

/** One block a second; each measure has the same scale for both grounds, from 0 to the largest value of any. */
export function sparklinesOf(replays: readonly Replay[], plan: Plan): string {
  const widest = Math.max(...replays.map(({ ground }) => ground.length))
  const measures = MEASURES.map(({ name, of: measure }) => {
    const rows = replays.map(({ ground, seconds }) => ({ ground, values: seconds.map(measure) }))
    const largest = Math.max(...rows.flatMap(({ values }) => values))
    return [
      name,
      ...rows.map(
        ({ ground, values }) =>
          `  ${ground.padEnd(widest)}  ${values.map((value) => block(value, largest)).join('')}`,
      ),
    ].join('\n')
  })
  const [before, poison] = [plan.beforeMs, plan.poisonMs].map((ms) => Math.round(ms / 1000)) as [
    number,
    number,
  ]
  const ruler = `${' '.repeat(widest + 4 + before)}↑ poisonous${' '.repeat(Math.max(0, poison - 11))}↑ failing`
  return [...measures, ruler].join('\n')
}

const MEASURES: readonly { name: string; of(second: Second): number }[] = [
  { name: 'good tenants’ failures', of: ({ failures }) => failures },
  { name: 'good tenants that saw a failure so far', of: ({ tenantsFailedShare }) => tenantsFailedShare },
  { name: 'crashes of serving cells', of: ({ crashes }) => crashes },
]

function block(value: number, largest: number): string {
  // What is not nothing is not drawn as nothing.
  return BLOCKS[value === 0 ? 0 : Math.max(1, Math.round((value / largest) * (BLOCKS.length - 1)))]!
}

const contained = ({ quarantinedAfterMs }: Containment): string => after(quarantinedAfterMs)

function after(ms: number | null): string {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`
}
