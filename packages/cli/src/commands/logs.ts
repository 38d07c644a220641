/** `cellplane logs`: the output of every process of a fleet on this machine, in one stream. */
import { type Command, InvalidArgumentError } from 'commander'
import { aboutLocalFleet, createCommand, duration, type JsonFlag, wholeNumber } from '../command.ts'
import { Failure } from '../failure.ts'
import { type FleetFlags, locateState } from '../fleet/locate.ts'
import { stateLayout } from '../fleet/state-layout.ts'
import { findLogFiles } from '../logs/log-files.ts'
import { formatLogLine, isAbout, type LogLine } from '../logs/log-line.ts'
import { createLogReader } from '../logs/read-logs.ts'

type Flags = FleetFlags &
  JsonFlag & {
    cell?: string
    component?: string
    tenant?: string
    trace?: string
    since?: number
    lines: number
    follow?: boolean
  }

/** Room for `cell-001/postgres`. */
const SOURCE_WIDTH = 17

export function logsCommand(): Command {
  return aboutLocalFleet(
    createCommand({
      usage: 'logs',
      summary: 'Show what the fleet’s processes print',
      details: 'Reads the log files of this machine, so it works while the fleet is stopped, too.',
      examples: [
        ['cellplane logs --cell cell-001', 'one cell: PostgreSQL and all components'],
        ['cellplane logs --component api -f', 'the component api of every cell, as it goes on'],
        ['cellplane logs --tenant acme -f', 'what routers and cells say of one tenant, as it goes on'],
        ['cellplane logs --trace 0af7651916cd43dd8448eb211c80319c', 'one request, from router to worker'],
        ['cellplane logs --component control --since 10m', 'the control plane in the last ten minutes'],
      ],
    })
      .option('--cell <cell>', 'only this cell')
      .option('--component <name>', 'only this one: a component, postgres, control, agent, router-1, …')
      .option('--tenant <tenant>', 'only lines about this tenant')
      .option('--trace <id>', 'only lines of this trace: 32 hexadecimal digits, or a traceparent', traceId)
      .option('--since <time>', 'not older than: 90s, 15m, 12h, 7d', duration)
      .option('-n, --lines <n>', 'at most this many of the past', wholeNumber(0, 100_000), 200)
      .option('-f, --follow', 'go on as more is written'),
  ).action(async (flags: Flags) => {
    const layout = stateLayout(await locateState(flags))
    const find = () => findLogFiles(layout, flags)
    const files = await find()
    if (files.length === 0 && !flags.follow) {
      const known = (await findLogFiles(layout, {})).map(({ source }) => source)
      throw new Failure(
        'NO_LOGS',
        known.length === 0
          ? `${layout.stateDir} has no logs; the fleet has not run there`
          : `no log fits; there are: ${known.join(', ')}`,
      )
    }
    const print = (line: LogLine) =>
      process.stdout.write(`${flags.json ? asJson(line) : formatLogLine(line, SOURCE_WIDTH)}\n`)
    const reader = createLogReader()
    const oldest = flags.since === undefined ? Number.NEGATIVE_INFINITY : Date.now() - flags.since
    const isAsked = (line: LogLine) =>
      (line.time === undefined || line.time >= oldest) && isAbout(line, flags)
    const past = (await reader.tail(files)).filter(isAsked)
    for (const line of flags.lines === 0 ? [] : past.slice(-flags.lines)) print(line)
    if (!flags.follow) return
    const stopping = new AbortController()
    process.once('SIGINT', () => stopping.abort())
    process.once('SIGTERM', () => stopping.abort())
    await reader.follow(find, (line) => isAsked(line) && print(line), stopping.signal)
  })
}

/** W3C Trace Context: version, trace id, span id, flags. */
function traceId(value: string): string {
  const id = /^(?:[0-9a-f]{2}-)?([0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?$/.exec(value.toLowerCase())?.[1]
  if (id) return id
  throw new InvalidArgumentError('Expected 32 hexadecimal digits, or a traceparent.')
}

function asJson({ source, time, text }: LogLine): string {
  return JSON.stringify({ source, time: time === undefined ? null : new Date(time).toISOString(), text })
}
