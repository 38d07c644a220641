/** `cellplane top`: the fleet live in the terminal, a row for each cell. */
import type { ApiClient } from '@cellplane/client'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, number } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { printableLine } from '../output/printable.ts'
import { bad, dim } from '../output/style.ts'
import { pause } from '../pause.ts'
import { knownSize, openScreen } from '../top/screen.ts'
import { formatTop } from '../top/top-view.ts'

/** What the figures are of: the last two steps of metrics, the one that is not over among them. */
const WINDOW_SECONDS = 20
/** A blank one, and the one that says how to end. */
const LINES_BELOW = 2

type Flags = RemoteFlags & JsonFlag & { once?: boolean; interval: number }

export function topCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'top',
      summary: 'Show live what each cell does: requests, errors, latency, error budget',
      details:
        'Figures are of 20 seconds, which ended up to 10 seconds ago, as routers report them; of a minute where a Prometheus keeps the metrics. Cells in trouble come first. q ends it. Into a pipe it prints once.',
      examples: [
        ['cellplane top', 'a row for each cell, every two seconds'],
        ['cellplane top --once', 'the same, once'],
        ['cellplane top --json', 'for scripts, once'],
      ],
    })
      .option('--once', 'print once and end')
      .option('--interval <seconds>', 'look this often', number(1, 60), 2),
  ).action(async ({ once, interval, ...flags }: Flags) => {
    const { client } = await connect(flags)
    if (!once && !flags.json && process.stdout.isTTY) return await follow(client, interval * 1_000)
    const traffic = await read(client)
    const width = process.stdout.isTTY ? knownSize(process.stdout.columns) : undefined
    printResult(flags.json, traffic, () => formatTop(traffic, { width }))
  })
}

const read = (client: ApiClient, signal?: AbortSignal) =>
  client.getTraffic({ query: { seconds: WINDOW_SECONDS } }, signal ? { signal } : {})

/** Until somebody ends it. A control plane that does not answer is said, beside what was seen last. */
async function follow(client: ApiClient, intervalMs: number): Promise<void> {
  const { stdin, stdout } = process
  const ended = new AbortController()
  const end = () => ended.abort()
  const screen = openScreen(stdout, stdin, end)
  let shown: Awaited<ReturnType<typeof read>> | undefined
  let failure: string | undefined
  const draw = () => {
    const height = knownSize(stdout.rows)
    const room = { width: knownSize(stdout.columns), height: height && height - LINES_BELOW }
    const last = failure === undefined ? dim('q ends') : bad(`no news: ${failure}`)
    screen.draw(`${shown ? `${formatTop(shown, room)}\n\n` : ''}${last}`)
  }
  process.once('SIGINT', end).once('SIGTERM', end).once('SIGHUP', end).once('exit', screen.leave)
  stdout.on('resize', draw)
  try {
    while (!ended.signal.aborted) {
      try {
        shown = await read(client, ended.signal)
        failure = undefined
      } catch (error) {
        failure = printableLine((error as Error).message)
      }
      draw()
      await pause(intervalMs, ended.signal)
    }
  } finally {
    stdout.off('resize', draw)
    screen.leave()
    process.off('SIGINT', end).off('SIGTERM', end).off('SIGHUP', end).off('exit', screen.leave)
  }
}
