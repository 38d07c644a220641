/**
 * Where a small request's time goes: the main row's load, sampled, as microseconds of each part. The kernel's parts are
 * the floor that no proxy gets under; what is above it is the proxy's own.
 */
import { join } from 'node:path'
import { PARTS, type Part, removeNames, sample, whyNoProfile } from '../measure/profile.ts'
import { round } from '../measure/statistics.ts'
import { alternate } from './alternate.ts'
import { measureRequests } from './requests.ts'
import { entriesOf, type Finding, type Row } from './row.ts'

export const profile: Row = {
  name: 'profile',
  about: 'where a small request’s time goes, by sampling: microseconds of processor time a part',
  compared: 'cpuUsPerRequest',
  contestants: ['cellplane', 'haproxy-cell'],
  async run(context) {
    const why = whyNoProfile()
    if (why !== undefined) {
      return { raw: {}, skipped: Object.fromEntries(context.contestants.map(({ name }) => [name, why])) }
    }
    const { effort, environment } = context
    const entries = entriesOf(context).map((entry) => ({ ...entry, environment: { isProfiled: true } }))
    const profiled = new Set<number>()
    try {
      return await alternate(context, entries, {
        async measure(running, entry): Promise<Finding> {
          for (const pid of running.pids()) profiled.add(pid)
          const file = join(environment.folder, `${entry.name}.perf`)
          const [found, samples] = await Promise.all([
            measureRequests(context, running, entry),
            sample(running.pids(), effort.warmUpMs + effort.measureMs, file),
          ])
          const total = PARTS.reduce((sum, part) => sum + samples[part], 0)
          const usOf = (part: Part) => (found['cpuUsPerRequest']! * samples[part]) / total
          return { ...found, ...Object.fromEntries(PARTS.map((part) => [`${part}Us`, round(usOf(part), 2)])) }
        },
      })
    } finally {
      removeNames(profiled)
    }
  },
}
