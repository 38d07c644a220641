/**
 * The flags of a script that `npm run` or `node` starts: a bench, a scenario, a fuzzer.
 *
 * A script says what it takes, once: from that come the values with their types, `--help`, and a plain refusal of what it
 * does not know, in place of the stack that an uncaught error prints. Both end the process, so a script reads its flags
 * before it starts anything.
 */
import { parseArgs } from 'node:util'

/** `shape`: how the value is written in the usage; undefined for a flag that takes none. `read`: the value, or what was expected. */
export type Flag<T> = {
  about: string
  shape: string | undefined
  initial: T
  read(text: string): { value: T } | { expected: string }
}

type Values<F extends Record<string, Flag<unknown>>> = { [K in keyof F]: F[K]['initial'] }

export type Script<F extends Record<string, Flag<unknown>>> = {
  /** As it is typed: `npm run fuzz:http --`. */
  command: string
  about: string
  flags: F
}

/** True when it is given. */
export function flag(about: string): Flag<boolean> {
  return { about, shape: undefined, initial: false, read: () => ({ value: true }) }
}

export function text(shape: string, about: string): Flag<string | undefined> {
  return { about, shape, initial: undefined, read: (value) => ({ value }) }
}

/** A finite number from `least` on, and up to `most`; a whole one with `isWhole`. */
export function number<Initial extends number | undefined>(
  initial: Initial,
  about: string,
  { least, most = Number.MAX_VALUE, isWhole = false }: { least: number; most?: number; isWhole?: boolean },
): Flag<number | Initial> {
  const expected = `${isWhole ? 'a whole number' : 'a number'} from ${least}${most < Number.MAX_VALUE ? ` to ${most}` : ''}`
  return {
    about: initial === undefined ? about : `${about} (default: ${initial})`,
    shape: 'N',
    initial,
    read(given) {
      const value = given.trim() === '' ? Number.NaN : Number(given)
      const isGood = value >= least && value <= most && (!isWhole || Number.isInteger(value))
      return isGood ? { value } : { expected }
    },
  }
}

/** `args` without the program and the script. Either what they say, or what is to be printed, and whether that is a refusal. */
export function parseFlags<F extends Record<string, Flag<unknown>>>(
  script: Script<F>,
  args: readonly string[],
): { values: Values<F> } | { print: string; isRefusal: boolean } {
  const refuse = (why: string) => ({ print: `${why}\n\n${usageOf(script)}`, isRefusal: true })
  const options = Object.fromEntries(
    Object.entries(script.flags).map(([name, { shape }]) => [
      name,
      { type: shape === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  let given: Record<string, unknown>
  try {
    given = parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
    }).values
  } catch (error) {
    // Node's own words; the advice that follows the first sentence is about a `--` that nobody here wants.
    return refuse((error as Error).message.split('. ')[0]!)
  }
  if (given['help']) return { print: usageOf(script), isRefusal: false }
  const values: Record<string, unknown> = {}
  for (const [name, { initial, read }] of Object.entries(script.flags)) {
    const found = given[name]
    if (found === undefined) values[name] = initial
    else {
      const said = read(String(found))
      if ('expected' in said) return refuse(`--${name} is "${found}"; expected ${said.expected}`)
      values[name] = said.value
    }
  }
  return { values: values as Values<F> }
}

/** What this process was started with. Ends it after `--help`, with 0, and after what is refused, with 2. */
export function readFlags<F extends Record<string, Flag<unknown>>>(script: Script<F>): Values<F> {
  const parsed = parseFlags(script, process.argv.slice(2))
  if ('values' in parsed) return parsed.values
  const { print, isRefusal } = parsed
  ;(isRefusal ? process.stderr : process.stdout).write(`${print}\n`)
  process.exit(isRefusal ? 2 : 0)
}

function usageOf({ command, about, flags }: Script<Record<string, Flag<unknown>>>): string {
  const rows = Object.entries(flags).map(([name, { shape, about }]) => [
    shape === undefined ? `--${name}` : `--${name} ${shape}`,
    about,
  ])
  rows.push(['--help', 'print this'])
  const width = Math.max(...rows.map(([left]) => left!.length))
  return [
    `Usage: ${command} [flags]`,
    '',
    about,
    '',
    ...rows.map(([left, right]) => `  ${left!.padEnd(width)}  ${right}`),
  ].join('\n')
}
