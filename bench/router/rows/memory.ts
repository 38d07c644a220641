/**
 * Rows of memory: what a worker takes once it listens, and what an idle client costs that has sent one request.
 *
 * Resident memory (RSS) of the proxy's processes; the kernel's socket buffers are not in it. For the idle clients the
 * process is warm before they come, so that compiled code is not counted as theirs. The first of them then live in what
 * a warm heap has to spare, so the figure is that of the second half of them.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { rssBytes } from '../measure/process-usage.ts'
import { round } from '../measure/statistics.ts'
import { alternateFresh, compile } from './alternate.ts'
import { entriesOf, type Row, targetOf } from './row.ts'

export const startMemory: Row = {
  name: 'start-memory',
  about: 'resident memory of a worker that has just begun to listen',
  compared: 'rssMb',
  contestants: ['cellplane', 'haproxy-cell', 'nginx-bare', 'http-proxy-3'],
  run: (context) =>
    alternateFresh(context, entriesOf(context), async (running) => {
      await delay(context.effort.settleMs)
      return { rssMb: round(rssBytes(running.pids()) / 1e6, 1) }
    }),
}

export const idleMemory: Row = {
  name: 'idle-memory',
  about: 'resident memory for each of 10,000 idle kept connections that have sent one request',
  compared: 'kbPerClient',
  contestants: ['cellplane', 'haproxy-cell', 'nginx-bare', 'http-proxy-3'],
  run: (context) =>
    alternateFresh(context, entriesOf(context), async (running, entry) => {
      const { generator, effort } = context
      await compile(context, running, entry)
      const half = effort.idleClients / 2
      const rssAfter = async (more: number) => {
        if (more > 0) await generator.openIdle({ target: targetOf(running, entry), count: more })
        await delay(effort.settleMs)
        return rssBytes(running.pids())
      }
      const before = await rssAfter(0)
      const halfway = await rssAfter(half)
      const held = await rssAfter(half)
      await generator.closeIdle()
      return {
        kbPerClient: round((held - halfway) / 1000 / half, 2),
        kbPerClientOfAll: round((held - before) / 1000 / effort.idleClients, 2),
        beforeMb: round(before / 1e6, 1),
        heldMb: round(held / 1e6, 1),
        clients: effort.idleClients,
      }
    }),
}
