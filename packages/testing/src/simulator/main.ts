/** `npm run sim`: simulates fleets with faults, by seed, and says what did not hold. */
import { parseArgs } from 'node:util'
import { type SimulationResult, simulate } from './simulate.ts'

const USAGE = `Usage: npm run sim -- [--seed N | --seeds N [--from N]] [--json] [--trace]

Runs a fleet of 16 cells under faults on a virtual clock, network and store. One seed is three hours
of fleet time with 60 faults; the same seed always gives the same run.

  --seed N    replay this one seed
  --seeds N   run so many seeds (10 when neither is given)
  --from N    the first of them (1 when left out)
  --json      print {seeds, fleetDays, faults, seconds, violations} as JSON
  --trace     with --seed: print what happened last, also when nothing was violated
  --help      print this

Exit status: 0 when every invariant held, 1 when one was violated, 2 when the arguments are wrong.
`

const SEEDS_DEFAULT = 10
const SEEDS_MAX = 1_000_000
const SEED_MAX = 2 ** 31

type Wish = { from: number; seeds: number; isJson: boolean; isTraced: boolean }

class UsageError extends Error {}

function readArguments(args: string[]): Wish | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const whole = (name: 'seed' | 'seeds' | 'from', least: number, most: number): number | undefined => {
    const text = values[name]
    if (text === undefined) return undefined
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new UsageError(
      `--${name} is ${JSON.stringify(text)}; expected a whole number from ${least} to ${most}`,
    )
  }
  const seed = whole('seed', 0, SEED_MAX)
  const seeds = whole('seeds', 1, SEEDS_MAX)
  const from = whole('from', 0, SEED_MAX)
  if (seed !== undefined && (seeds !== undefined || from !== undefined)) {
    throw new UsageError('--seed stands alone; leave out --seeds and --from, or use them without it')
  }
  if (values.trace && seed === undefined) throw new UsageError('--trace is for one run; add --seed N')
  return {
    from: seed ?? from ?? 1,
    seeds: seed === undefined ? (seeds ?? SEEDS_DEFAULT) : 1,
    isJson: values.json,
    isTraced: values.trace,
  }
}

function describe(result: SimulationResult): string {
  const { seed, kind, elapsedMs, livedMs, faults, events, requests, violation, trace } = result
  const head = `seed ${seed} (${kind}): ${(elapsedMs / 60_000).toFixed(0)} min, of which ${(livedMs / 1000).toFixed(0)} s were lived through; ${faults} faults, ${events} events, ${requests.sent} requests of which ${requests.failed} failed`
  if (!violation) return `${head}; every invariant held`
  return [
    head,
    `VIOLATED ${violation.invariant}: ${violation.message}`,
    ...trace.map((line) => `    ${line}`),
    `replay: npm run sim -- --seed ${seed}`,
  ].join('\n')
}

async function run({ from, seeds, isJson, isTraced }: Wish): Promise<number> {
  const startedAt = performance.now()
  const violations: { seed: number; invariant: string; message: string }[] = []
  let [elapsedMs, livedMs, faults] = [0, 0, 0]
  for (let seed = from; seed < from + seeds; seed++) {
    const result = await simulate(seed)
    elapsedMs += result.elapsedMs
    livedMs += result.livedMs
    faults += result.faults
    const { violation } = result
    if (violation) violations.push({ seed, invariant: violation.invariant, message: violation.message })
    if (isTraced) process.stdout.write(`${result.trace.join('\n')}\n`)
    // A failure is told whole, also beside JSON, and at once: the rest may take long.
    if (violation && isJson) process.stderr.write(`${describe(result)}\n`)
    else if (!isJson) process.stdout.write(`${describe(result)}\n`)
  }
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1))
  const fleetDays = Number((elapsedMs / 86_400_000).toFixed(2))
  if (isJson) process.stdout.write(`${JSON.stringify({ seeds, fleetDays, faults, seconds, violations })}\n`)
  else {
    process.stdout.write(
      `${seeds} seeds, ${fleetDays} fleet days (${(livedMs / 3_600_000).toFixed(1)} h lived through, the rest at rest), ${faults} faults, ${seconds} s, ${violations.length} violations\n`,
    )
  }
  return violations.length === 0 ? 0 : 1
}

try {
  const wish = readArguments(process.argv.slice(2))
  if (wish === 'help') process.stdout.write(USAGE)
  else process.exitCode = await run(wish)
} catch (error) {
  const { code } = error as NodeJS.ErrnoException
  if (!(error instanceof UsageError) && !code?.startsWith('ERR_PARSE_ARGS')) throw error
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
  process.exitCode = 2
}
