/** The figures side by side, a line for each, and the series as one line of blocks for each proxy. */
import type { Plan } from '../plan.ts'
import type { Replay } from '../run.ts'

const COLUMN = 24
const BLOCKS = ' ▁▂▃▄▅▆▇█'

type Row = readonly [what: string, figure: (replay: Replay) => string]

export const ROWS: readonly Row[] = [
  [
    'tenants that saw a failure',
    ({ seen }) => `${seen.tenantsFailed} of ${seen.tenants} (${percent(seen.tenantsFailed / seen.tenants)})`,
  ],
  ['  with the broken cell in their shard', ({ withBroken }) => of(withBroken)],
  ['  without it', ({ withoutBroken }) => of(withoutBroken)],
  ['actions that failed after all tries', ({ seen }) => `${seen.failures} of ${seen.actions}`],
  ['actions that succeeded in the fault', ({ okRatioInFault }) => percent(okRatioInFault)],
  ['p99 of actions before the fault', ({ p99MsBefore }) => ms(p99MsBefore)],
  ['p99 of actions in the fault', ({ p99MsInFault }) => ms(p99MsInFault)],
  ['  of tenants without the broken cell', ({ p99MsWithoutBroken }) => ms(p99MsWithoutBroken)],
  ['calls sent to calls needed, in the fault', ({ amplificationInFault }) => times(amplificationInFault)],
  ['attempts to requests at the proxy', ({ attemptsPerCall }) => times(attemptsPerCall)],
  ['most loaded other, of what it can do, in the fault', ({ mostLoadedOther }) => percent(mostLoadedOther)],
  ['refused by others, in the fault', ({ refusedByOthers }) => String(refusedByOthers)],
  ['until the instance was taken out', ({ outAfterMs }) => after(outAfterMs)],
  ['last failure, from the fault’s begin', ({ lastFailureAfterMs }) => after(lastFailureAfterMs)],
  ['instance used again, from the fault’s end', ({ usedAgainAfterMs }) => after(usedAgainAfterMs)],
]

export function tableOf(replays: readonly Replay[]): string {
  const widest = Math.max(...ROWS.map(([what]) => what.length))
  const lines = ROWS.map(([what, figure]) => [what, ...replays.map(figure)])
  return [['', ...replays.map(({ proxy }) => proxy)], ...lines]
    .map(([what, ...figures]) => what!.padEnd(widest) + figures.map((f) => f.padStart(COLUMN)).join(''))
    .join('\n')
}

/** One block a second; each measure has the same scale for all proxies, from 0 to the largest value of any. */
export function sparklinesOf(replays: readonly Replay[], plan: Plan): string {
  const widest = Math.max(...replays.map(({ proxy }) => proxy.length))
  const [before, fault] = [plan.beforeMs, plan.faultMs].map((time) => Math.round(time / 1000)) as [
    number,
    number,
  ]
  const ruler = `${' '.repeat(widest + 4 + before)}├${'─'.repeat(Math.max(0, fault - 2))}┤ the fault`
  const measures = MEASURES.map(({ name, of: measure, show }) => {
    const rows = replays.map(({ proxy, seconds }) => ({
      proxy,
      values: seconds.map((s) => measure(s, plan)),
    }))
    const largest = Math.max(...rows.flatMap(({ values }) => values.map((value) => value ?? 0)))
    return [
      `${name}, 0 to ${show(largest)}`,
      ...rows.map(
        ({ proxy, values }) => `  ${proxy.padEnd(widest)}  ${values.map((v) => block(v, largest)).join('')}`,
      ),
    ].join('\n')
  })
  return [...measures, ruler].join('\n')
}

type Measure = {
  name: string
  of(second: Replay['seconds'][number], plan: Plan): number | null
  show(value: number): string
}

const MEASURES: readonly Measure[] = [
  { name: 'actions that succeeded', of: ({ okRatio }) => okRatio, show: percent },
  { name: 'tenants that saw a failure so far', of: (second) => second.tenantsFailedShare, show: percent },
  { name: 'calls sent to calls needed', of: ({ amplification }) => amplification, show: times },
  { name: 'p99 of actions', of: ({ p99Ms }) => p99Ms, show: ms },
  {
    name: 'requests at the broken instance',
    of: ({ arrived }, { broken }) => arrived[broken]!,
    show: (value) => `${value}/s`,
  },
  {
    name: 'requests at the busiest of the others',
    of: ({ arrived }, { broken }) => Math.max(...arrived.filter((_, i) => i !== broken)),
    show: (value) => `${value}/s`,
  },
]

function block(value: number | null, largest: number): string {
  if (value === null || largest === 0) return ' '
  // What is not nothing is not drawn as nothing.
  return BLOCKS[value === 0 ? 0 : Math.max(1, Math.round((value / largest) * (BLOCKS.length - 1)))]!
}

function of({ tenantsFailed, tenants, failures }: Replay['seen']): string {
  return `${tenantsFailed} of ${tenants}, ${failures} times`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}

function after(value: number | null): string {
  return value === null ? 'never' : `${(value / 1000).toFixed(1)} s`
}
