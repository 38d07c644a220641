/** A router's own counters, as its metrics page tells them. */
import { send } from './client.ts'

/** The value of each series of one metric, by one of its labels: `{ 'cell-0': 3 }`; by `''` for a metric without labels. */
export async function readMetric(
  adminPort: number,
  name: string,
  label = 'cell',
): Promise<Record<string, number>> {
  const { text } = await send(adminPort, { path: '/metrics' })
  const series = text.matchAll(new RegExp(`^cellplane_router_${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))
  return Object.fromEntries(
    Array.from(series, ([, labels = '', value]) => [
      new RegExp(`${label}="([^"]*)"`).exec(labels)?.[1] ?? '',
      Number(value),
    ]),
  )
}
