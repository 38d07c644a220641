/** `cellplane up`: runs a fleet on this machine. */
import type { Command } from 'commander'
import {
  aboutLocalFleet,
  createCommand,
  duration,
  type JsonFlag,
  receiverUrl,
  wholeNumber,
} from '../command.ts'
import { EXIT, Failure } from '../failure.ts'
import { printResult } from '../output/print.ts'
import type { UpFlags } from '../up/options.ts'
import { catchStopSignals } from '../up/stop-signals.ts'

type Flags = UpFlags & JsonFlag & { detach?: boolean; timeout?: number }

const port = wholeNumber(1, 65_535)

export function upCommand(): Command {
  const command = createCommand({
    usage: 'up',
    summary: 'Run the fleet on this machine, until Ctrl-C',
    details:
      'Starts the control plane, two routers on one port, and every cell with its own PostgreSQL. All state is in one directory; a second start finds it again.',
    examples: [
      ['cellplane up', 'the fleet of this folder'],
      ['cellplane up --cells 16', 'with sixteen cells'],
      ['cellplane up --detach', 'return when it serves; `cellplane down` stops it'],
      ['cellplane up -d --timeout 5m', 'the same, for a service that takes long to start'],
      ['cellplane up --traces http://127.0.0.1:4318/v1/traces', 'with spans of every request sent there'],
      ['cellplane up --router-port 8080 --control-port 8400', 'on other ports'],
    ],
  })
    .option('--cells <n>', 'how many cells, instead of what the fleet file says', wholeNumber(1, 1000))
    .option('--release <name>', 'name of the release that the components are')
    .option('-d, --detach', 'return when the fleet serves')
    .option(
      '--timeout <time>',
      'with --detach: how long to wait for that, such as 5m (default: 180s)',
      duration,
    )
    .optionsGroup('Observability, instead of what the fleet file says:')
    .option('--traces <url>', 'send spans of every request there (OTLP over HTTP)', receiverUrl('--traces'))
    .option(
      '--alert-webhook <url>',
      'tell of alerts there, as Alertmanager does',
      receiverUrl('--alert-webhook'),
    )
    .optionsGroup('Ports:')
    .option('--router-port <port>', 'where requests go', port, 7480)
    .option('--routers <n>', 'router processes, all on that port', wholeNumber(1, 16), 2)
    .option(
      '--router-admin-port <port>',
      'metrics of the first router; one more for each further',
      port,
      7481,
    )
    .option('--control-port <port>', 'the API; its PostgreSQL gets the next port', port, 7400)
    .option('--local-port <port>', 'local services, one after the other', port, 7490)
    .option('--cell-port-base <port>', 'cells, ten ports each', port, 7500)
  return aboutLocalFleet(command).action(async (flags: Flags) => {
    // Whoever watched may go away; the fleet stays.
    for (const stream of [process.stdout, process.stderr])
      stream.removeAllListeners('error').on('error', () => {})
    if (flags.detach) return await detach(flags)
    // Loaded when needed: no other command needs PostgreSQL's client.
    const { up } = await import('../up/up.ts')
    const signals = catchStopSignals()
    try {
      await up(flags, signals, outputFor(flags.json ?? false), ownName())
    } catch (error) {
      if (!signals.stopping.aborted || error instanceof Failure) throw error
      process.exitCode = EXIT.interrupted
    } finally {
      signals.release()
    }
  })
}

async function detach(flags: Flags): Promise<void> {
  // Its output is shown to people; the JSON comes from its record.
  const args = process.argv.slice(2).filter((arg) => !['--detach', '-d', '--json'].includes(arg))
  const { upDetached } = await import('../up/detach.ts')
  const record = await upDetached(
    flags,
    args,
    (text) => void (flags.json ? process.stderr : process.stdout).write(text),
    flags.timeout,
  )
  if (flags.json) printResult(true, record, () => '')
}

/** With --json stdout has the one document, and progress goes to stderr. */
function outputFor(isJson: boolean) {
  return {
    say: (text: string) => void (isJson ? process.stderr : process.stdout).write(`${text}\n`),
    serving: (text: string, record: unknown) => printResult(isJson, record, () => `\n${text}\n`),
  }
}

/** How the user called us: through npm, the program is not in the PATH. */
function ownName(env: NodeJS.ProcessEnv = process.env): string {
  return env['npm_execpath'] === undefined ? 'cellplane' : 'npx cellplane'
}
