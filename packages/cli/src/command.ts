/** What every command has: a summary, examples in its help, `--json`, and flags that say which fleet it is about. */
import { isReceiverUrl } from '@cellplane/contract'
import { Command, InvalidArgumentError, Option } from 'commander'
import { usageFailure } from './failure.ts'

export type CommandSpec = {
  /** With its arguments: `show <cell>`. */
  usage: string
  summary: string
  /** Further paragraphs of the help. */
  details?: string
  /** Command line → what it does. Shown in the help, and parsed by a test. */
  examples: readonly (readonly [line: string, what: string])[]
}

const examplesByCommand = new WeakMap<Command, CommandSpec['examples']>()

/** For the test that holds every example to what the program understands. */
export const examplesOf = (command: Command): CommandSpec['examples'] => examplesByCommand.get(command) ?? []

export type JsonFlag = { json?: boolean }

export function createCommand({ usage, summary, details, examples }: CommandSpec): Command {
  const [name = '', ...parameters] = usage.split(' ')
  const command = new Command(name)
    .summary(summary)
    .description(details === undefined ? `${summary}.` : `${summary}.\n\n${details}`)
    .option('--json', 'print JSON')
    .addHelpText('after', formatExamples(examples))
  examplesByCommand.set(command, examples)
  for (const parameter of parameters) command.argument(parameter)
  return command
}

/** A command that only groups others: `cell`, `tenant`, `topology`. */
export function createGroup(name: string, summary: string, commands: readonly Command[]): Command {
  const group = new Command(name).summary(summary).description(`${summary}.`).helpCommand(false)
  for (const command of commands) group.addCommand(command)
  return group
}

/** `--fleet` and `--state`: a fleet of this machine. */
export function aboutLocalFleet(command: Command): Command {
  return command
    .optionsGroup('Which fleet:')
    .option('--fleet <path>', 'the fleet file or its folder (default: cellplane.yaml here or above)')
    .option('--state <dir>', 'its state directory (default: .cellplane/<fleet> beside the fleet file)')
}

/** The same, or a control plane anywhere. */
export function aboutAnyFleet(command: Command): Command {
  return aboutLocalFleet(command)
    .option('--url <url>', 'a control plane elsewhere (or CELLPLANE_URL)')
    .option('--token-file <file>', 'file with the token to use (or CELLPLANE_TOKEN)')
}

/** Why a change is made; it lands in the audit trail. */
export function reasonOption(fallback: string): Option {
  return new Option('--reason <text>', 'why; it lands in the audit trail').default(fallback)
}

/** The same, of what somebody else will have to understand. */
export function requiredReasonOption(): Option {
  return new Option('--reason <text>', 'why; it lands in the audit trail').makeOptionMandatory()
}

/** A change beyond the blast-radius budget. Its holder's token must allow it, and it takes a reason of one's own. */
export function forceOption(): Option {
  return new Option('--force', 'although it exceeds the blast-radius budget; needs --reason')
}

/** Throws a usage failure for `--force` with the reason that nobody gave. */
export function mayForce(flags: { force?: boolean }, command: Command): boolean {
  if (!flags.force) return false
  if (command.getOptionValueSource('reason') !== 'default') return true
  throw usageFailure('--force needs --reason: who reads the audit trail wants to know why')
}

/** For option values: a whole number within bounds. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const n = Number(value)
    if (/^\d+$/.test(value) && n >= min && n <= max) return n
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new InvalidArgumentError(`Expected a whole number ${range}.`)
  }
}

/** For option values: a number within bounds. */
export function number(min: number, max: number): (value: string) => number {
  return (value) => {
    const n = Number(value)
    if (value.trim() !== '' && n >= min && n <= max) return n
    throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`)
  }
}

const DURATION_UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** For option values: `90s`, `15m`, `12h`, `7d` → milliseconds. */
export function duration(value: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(value)
  if (match) return Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS]
  throw new InvalidArgumentError('Expected a duration such as 90s, 15m, 12h or 7d.')
}

/** For values of `flag`: where something is sent to. An InvalidArgumentError would quote the password that is refused. */
export function receiverUrl(flag: string): (value: string) => string {
  return (value) => {
    if (isReceiverUrl(value)) return value
    throw usageFailure(`${flag} is not as expected: an http or https URL without user and password`)
  }
}

/** For option values that may be given more than once. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

function formatExamples(examples: CommandSpec['examples']): string {
  return `\nExamples:\n${examples.map(([line, what]) => `  # ${what}\n  ${line}`).join('\n')}`
}
