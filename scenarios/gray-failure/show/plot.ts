/** The series as one SVG. The last panels show where the load was, the broken instance as a line and the others as a band. */
import type { Second } from '../load/series.ts'
import type { Plan } from '../plan.ts'
import type { Replay } from '../run.ts'
import { drawPanels, type Panel } from './panels.ts'

export function plotOf(replays: readonly Replay[], plan: Plan): string {
  return drawPanels({
    title: `One of ${plan.instances} instances answers 500, its health check answers 200, callers retry`,
    writtenBy: 'scenarios/gray-failure/scenario.ts',
    names: replays.map(({ proxy }) => proxy),
    panels: panelsOf(replays, plan),
    seconds: replays[0]!.seconds.length,
    shaded: { from: plan.beforeMs / 1000, until: (plan.beforeMs + plan.faultMs) / 1000 },
  })
}

function panelsOf(replays: readonly Replay[], { broken }: Plan): Panel[] {
  const series = (of: (second: Second) => number | null) => replays.map(({ seconds }) => seconds.map(of))
  const percent = (value: number) => `${Math.round(value * 100)} %`
  return [
    { title: 'actions that succeeded', lines: series(({ okRatio }) => okRatio), show: percent },
    {
      title: 'tenants that saw a failure so far',
      lines: series(({ tenantsFailedShare }) => tenantsFailedShare),
      show: percent,
    },
    {
      title: 'calls sent to calls needed',
      lines: series(({ amplification }) => amplification),
      show: (value) => `${value.toFixed(1)} ×`,
    },
    {
      title: 'p50 of actions',
      lines: series(({ p50Ms }) => p50Ms),
      show: (value) => `${Math.round(value)} ms`,
    },
    {
      title: 'p99 of actions',
      lines: series(({ p99Ms }) => p99Ms),
      show: (value) => `${Math.round(value)} ms`,
    },
    ...replays.map(({ proxy, seconds }, i) => ({
      title: `requests a second at each instance, ${proxy}: the broken one (line), the others (band)`,
      of: [i],
      lines: [seconds.map(({ arrived }) => arrived[broken]!)],
      band: seconds.map(({ arrived }) => arrived.filter((_, instance) => instance !== broken)),
      show: (value: number) => String(Math.round(value)),
    })),
  ]
}
