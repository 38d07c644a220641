/** How scenarios are run and shown: a fleet of their own, a few lines of figures, `--json` for the raw ones. */
import { relative } from 'node:path'
import { startFleet, type TestFleet, type TestFleetOptions } from '@cellplane/testing'
import { flag, readFlags } from '@cellplane/testing/flags'

type Line = readonly [what: string, figure: string | number]

/** Runs one scenario on a fresh fleet of the worked example and prints what it came to. Exits 1 when `holds` is false. */
export async function present<R extends object>(scenario: {
  title: string
  fleet: TestFleetOptions
  run(fleet: TestFleet): Promise<R>
  lines(result: R): readonly Line[]
  holds(result: R): boolean
}): Promise<void> {
  const values = readFlags({
    command: `node ${relative(process.cwd(), process.argv[1] ?? '')}`,
    about: `${scenario.title}.`,
    flags: { json: flag('print JSON') },
  })
  const fleet = await startFleet(scenario.fleet)
  try {
    const result = await scenario.run(fleet)
    const { title } = scenario
    report({
      title,
      result,
      isJson: values.json,
      lines: scenario.lines(result),
      holds: scenario.holds(result),
    })
  } finally {
    await fleet.remove()
  }
}

/** Prints what a scenario came to. Sets the exit status: 1 when it does not hold. */
export function report(shown: {
  title: string
  result: object
  isJson: boolean
  lines: readonly Line[]
  remark?: string
  holds: boolean
}): void {
  const { title, result, isJson, lines, remark, holds } = shown
  if (isJson) console.log(JSON.stringify({ ...result, holds }, null, 2))
  else {
    console.log(title)
    for (const [what, figure] of lines) console.log(`  ${String(figure).padStart(12)}  ${what}`)
    if (remark !== undefined) console.log(remark)
    console.log(holds ? 'It holds.' : 'It does NOT hold.')
  }
  process.exitCode = holds ? 0 : 1
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** Counts of failures over all operations: 0 is what one wants. */
export function countAll(tally: Record<string, Record<string, number>>): number {
  return Object.values(tally)
    .flatMap((row) => Object.values(row))
    .reduce((sum, n) => sum + n, 0)
}
