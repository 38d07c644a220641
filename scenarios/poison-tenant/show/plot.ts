/** The series as one SVG, in the panels that the gray failure is drawn in. */
import { drawPanels, type Panel } from '../../gray-failure/show/panels.ts'
import type { Plan } from '../plan.ts'
import type { Replay, Second } from '../run.ts'

export function plotOf(replays: readonly Replay[], plan: Plan): string {
  const series = (of: (second: Second) => number | null) => replays.map(({ seconds }) => seconds.map(of))
  const panels: Panel[] = [
    {
      title: 'good tenants’ requests that succeeded',
      lines: series(({ requests, failures }) => (requests === 0 ? null : 1 - failures / requests)),
      show: percent,
    },
    {
      title: 'good tenants that saw a failure so far',
      lines: series(({ tenantsFailedShare }) => tenantsFailedShare),
      show: percent,
    },
    { title: 'crashes of serving cells', lines: series(({ crashes }) => crashes), show: String },
  ]
  return drawPanels({
    title: `Of ${plan.tenants + 2} tenants one crashes what serves it, and later one is answered 500`,
    writtenBy: 'scenarios/poison-tenant/scenario.ts',
    names: replays.map(({ ground }) => ground),
    panels,
    seconds: replays[0]!.seconds.length,
    shaded: { from: plan.beforeMs / 1000, until: (plan.beforeMs + plan.poisonMs) / 1000 },
  })
}

const percent = (value: number): string => `${Math.round(value * 100)} %`
