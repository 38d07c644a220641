/** One run of the bench: the generator with its cells, the fleet that they are, the rows, and everything stopped again. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTESTANTS, type Missing, prepare } from './contestants/all.ts'
import { buildBenchFleet } from './fleet/bench-fleet.ts'
import { issueTokens } from './fleet/tokens.ts'
import { startGenerator } from './load/generator.ts'
import { mediansOf } from './measure/statistics.ts'
import type { Effort, Row, RowResult } from './rows/row.ts'
import { CELL_COUNT } from './workload.ts'

export type BenchOptions = {
  rows: readonly Row[]
  /** Names; undefined: those that each row is about. */
  contestants: readonly string[] | undefined
  effort: Effort
  say(text: string): void
}

export type BenchResult = { rows: RowResult[]; versions: Record<string, string>; missing: Missing[] }

const PROXY_CORE = 0
/** Clients, upstreams and the bench itself. */
const OTHER_CORE = 1

export async function runBench({ rows, contestants, effort, say }: BenchOptions): Promise<BenchResult> {
  checkMachine()
  const isWanted = (name: string) =>
    contestants?.includes(name) ?? rows.some((row) => row.contestants.includes(name))
  const { ready, missing } = prepare(CONTESTANTS.filter(({ name }) => isWanted(name)))
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-bench-'))
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  // Also when the bench is interrupted; the processes end with it (see pinned-process.ts).
  process.once('exit', removeFolder)
  const generator = startGenerator(OTHER_CORE, join(folder, 'generator.log'))
  try {
    const { ports } = await generator.start(CELL_COUNT)
    const fleet = buildBenchFleet(ports)
    const { issuer, tokens } = issueTokens()
    await generator.learn({ shards: fleet.shards, tokens })
    const results: RowResult[] = []
    for (const row of rows) {
      const names = contestants ?? row.contestants
      const { raw, skipped } = await row
        .run({
          environment: { folder, fleet, ports, core: PROXY_CORE },
          issuer,
          generator,
          contestants: ready.filter(({ name }) => names.includes(name)),
          effort,
          say: (text) => say(`${row.name}: ${text}`),
        })
        .catch((error: Error) => {
          throw new Error(`the row ${row.name} failed: ${error.message}`, { cause: error })
        })
      const { name, about, compared } = row
      results.push({ row: name, about, compared, medians: mediansOf(raw), raw, skipped })
    }
    const versions = Object.fromEntries(ready.map((contestant) => [contestant.name, contestant.version()]))
    return { rows: results, versions, missing }
  } finally {
    await generator.stop()
    removeFolder()
    process.off('exit', removeFolder)
  }
}

function checkMachine(): void {
  if (process.platform !== 'linux' || cpus().length < 2) {
    throw new Error(
      `found ${cpus().length} cores on ${process.platform}; expected Linux and 2 cores, one for the proxy and one for the load`,
    )
  }
  const moved = spawnSync('taskset', [
    '--all-tasks',
    '--cpu-list',
    '--pid',
    String(OTHER_CORE),
    String(process.pid),
  ])
  if (moved.status !== 0) throw new Error('taskset could not be run; it is part of util-linux')
}
