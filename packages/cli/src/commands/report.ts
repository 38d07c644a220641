/** `cellplane report`: what a span of time came to, in the terminal, as JSON or as a page. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, duration, type JsonFlag, wholeNumber } from '../command.ts'
import { Failure, usageFailure } from '../failure.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { reportPage } from '../report/report-html.ts'
import { formatReport } from '../report/report-text.ts'

/** What the control plane's own metrics go back. */
const SECONDS_MAX = 31 * 86_400
const SECONDS_MIN = 60
const SINCE_DEFAULT_MS = 30 * 86_400_000

type Flags = RemoteFlags & JsonFlag & { since: number; tenants: number; html?: string }

export function reportCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'report',
      summary: 'Report availability, repair times and cost, by cell and tenant',
      details:
        'Beside it stands what the same time would have been without cells. Of the last 31 days at most, which are as long as metrics are kept.',
      examples: [
        ['cellplane report', 'the last 30 days'],
        ['cellplane report --since 7d --html week.html', 'the last week, as a page'],
        ['cellplane report --since 1h --json', 'for scripts'],
      ],
    })
      .option('--since <time>', 'how far back: 90m, 12h, 7d', duration, SINCE_DEFAULT_MS)
      .option('--tenants <n>', 'the busiest tenants, at most so many', wholeNumber(0, 100), 20)
      .option('--html <file>', 'write a page to the file'),
  ).action(async ({ since, tenants, html, ...flags }: Flags) => {
    const seconds = since / 1_000
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
      throw usageFailure(`--since: found ${seconds} s; expected from 1m to 31d, for which metrics are kept`)
    }
    const { client } = await connect(flags)
    const report = await client.getReport({ query: { seconds, tenants } })
    if (html === undefined) return printResult(flags.json, report, () => formatReport(report))
    const path = resolve(html)
    await writeFile(path, reportPage(report)).catch((cause: NodeJS.ErrnoException) => {
      throw new Failure('FILE_UNWRITABLE', `${path} cannot be written (${cause.code})`, { cause })
    })
    printResult(flags.json, { file: path }, () => path)
  })
}
