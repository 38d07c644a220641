/**
 * The test command: brings what npm cannot, runs every suite, and says what could not run.
 *
 * Three passes: first the suites that share the machine well, one file more at a time than there are cores, because they
 * wait as well; then whole fleets, two at once; then, alone, those that measure seconds (whole fleets that are killed). A
 * suite that lacks something of the machine skips with a reason, and the reason is printed and counted at the end: nothing
 * is left out on the quiet.
 *
 * Hundreds of processes load the same code meanwhile. It is compiled once and kept for the next run.
 *
 * `npm test -- PATTERN …` runs only the files whose path contains one of the patterns.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

/** What the suites need beyond npm: a program, and the Debian package that brings it. */
const NEEDS = [
  { program: 'python3', debian: 'python3' },
  { program: 'make', debian: 'make' },
  { program: 'haproxy', debian: 'haproxy' },
  { program: 'promtool', debian: 'prometheus' },
  { program: 'amtool', debian: 'prometheus-alertmanager' },
] as const

/**
 * Whole fleets of which only what they answer is claimed, under a load that leaves room, and no seconds: these may have
 * company. Longest first, for none to be left alone at the end.
 */
const FLEETS_IN_COMPANY = [
  'scenarios/grow-and-drain/grow-and-drain.e2e.test.ts',
  'packages/cli/src/up/up.e2e.test.ts',
  'scenarios/alert-one-cell/alert-one-cell.e2e.test.ts',
  'scenarios/stateful-poison/stateful-poison.e2e.test.ts',
  'scenarios/bad-file/bad-file.e2e.test.ts',
  'scenarios/day-without-control-plane/day-without-control-plane.e2e.test.ts',
]
/** Of the others, those that take ten seconds and more: begun last, one of them would keep a core idle. */
const LONG_FILES = [
  'packages/testing/src/simulator/simulator.test.ts',
  'packages/control/src/telemetry/prometheus.test.ts',
  'packages/telemetry/src/export/export-files.test.ts',
  'packages/telemetry/src/conformance/conformance.test.ts',
  'packages/router/src/reports/shares.test.ts',
]

/** A fleet waits for about half of its time; a third one would make the others wait. */
const FLEETS_AT_ONCE = 2

/** Code that processes have compiled; Node checks it against what it was compiled from. */
const COMPILED_CODE = join(import.meta.dirname, '../node_modules/.cache/compiled')

/** A file that takes longer than this hangs: the slowest takes two minutes on two busy cores. */
const FILE_TIMEOUT_MS = 400_000

type Tally = { passed: number; failed: number; notRun: { name: string; why: string }[] }

await main()

async function main(): Promise<void> {
  prepareMachine()
  const patterns = process.argv.slice(2)
  const files = globSync([
    'packages/*/src/**/*.test.ts',
    'examples/*/src/**/*.test.ts',
    'scenarios/**/*.test.ts',
    'bench/**/*.test.ts',
    'scripts/**/*.test.ts',
  ])
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
    .sort()
  if (files.length === 0) {
    console.error(`no test file matches ${patterns.join(', ')}; give a part of a path, such as packages/core`)
    process.exit(2)
  }
  process.env['NODE_COMPILE_CACHE'] = COMPILED_CODE
  const isFleet = (file: string) => file.endsWith('.e2e.test.ts')
  print([
    await runPass(
      [
        ...LONG_FILES.filter((file) => files.includes(file)),
        ...files.filter((file) => !isFleet(file) && !LONG_FILES.includes(file)),
      ],
      cpus().length + 1,
    ),
    await runPass(
      FLEETS_IN_COMPANY.filter((file) => files.includes(file)),
      FLEETS_AT_ONCE,
    ),
    await runPass(
      files.filter((file) => isFleet(file) && !FLEETS_IN_COMPANY.includes(file)),
      1,
    ),
  ])
}

/** Installs what is missing where that is allowed (root on Debian); otherwise names the command. */
function prepareMachine(): void {
  const missing = NEEDS.filter(({ program }) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  if (missing.length === 0) return
  const packages = missing.map(({ debian }) => debian)
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    console.log(`installing ${packages.join(', ')}`)
    spawnSync('sh', ['-c', `apt-get update -q && ${command}`], {
      stdio: 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } else {
    console.log(
      `not found: ${missing.map(({ program }) => program).join(', ')}; the suites that need them will not run. To run them: ${command}`,
    )
  }
}

async function runPass(files: string[], concurrency: number): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0, notRun: [] }
  if (files.length === 0) return tally
  const events = run({ files, concurrency, timeout: FILE_TIMEOUT_MS })
  events.on('test:pass', ({ name, skip, details }) => {
    if (details.type === 'suite') return
    if (skip !== undefined && skip !== false)
      tally.notRun.push({ name, why: skip === true ? 'no reason given' : String(skip) })
    else tally.passed++
  })
  events.on('test:fail', () => {
    tally.failed++
  })
  await new Promise((resolve) => events.compose(spec).on('end', resolve).pipe(process.stdout))
  return tally
}

function print(tallies: Tally[]): void {
  const passed = tallies.reduce((sum, t) => sum + t.passed, 0)
  const failed = tallies.reduce((sum, t) => sum + t.failed, 0)
  const notRun = tallies.flatMap((t) => t.notRun)
  for (const { name, why } of notRun) console.log(`could not run: ${name} (${why})`)
  console.log(`${passed} passed, ${failed} failed, ${notRun.length} skipped`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}
