/** `cellplane plan`: what the fleet file comes to, before anything runs. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { createCommand, type JsonFlag, wholeNumber } from '../command.ts'
import { EXIT, Failure } from '../failure.ts'
import { invalidFleet } from '../fleet/fleet-file.ts'
import { requireAnyFleetFile } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { planFleet } from '../plan/fleet-plan.ts'
import { formatPlan } from '../plan/format-plan.ts'
import { overrideCells } from '../up/override-cells.ts'

type Flags = JsonFlag & { fleet?: string; keys?: string; cells?: number }

/** A million requests say enough about a key; more would only fill the memory. */
const SAMPLE_BYTES_MAX = 64 * 1024 * 1024

export function planCommand(): Command {
  return createCommand({
    usage: 'plan',
    summary: 'Size the fleet and judge its partition key, before anything runs',
    details:
      'Reads the fleet file and nothing else. Exits 1 when the file or the partition key has errors; warnings do not count.',
    examples: [
      ['cellplane plan', 'sizing, placement, blast radius and lints'],
      ['cellplane plan --cells 16', 'the same for sixteen cells'],
      ['cellplane plan --keys keys.txt', 'with the keys of real requests, one a line'],
    ],
  })
    .option(
      '--fleet <path>',
      'the fleet file or its folder (default: cellplane.yaml here or above, or that of the fleet that you run)',
    )
    .option('--cells <n>', 'plan for this many cells', wholeNumber(1, 1000))
    .option('--keys <file>', 'partition keys of real requests, one a line, each as often as it occurs')
    .action(async (flags: Flags) => {
      const read = await requireAnyFleetFile(flags.fleet)
      const fleet = overrideCells(read, flags.cells)
      const plan = planFleet(fleet, flags.keys === undefined ? undefined : await readSample(flags.keys))
      if (!plan.ok) throw invalidFleet(read.path, plan.problems)
      printResult(flags.json, plan.value, () => formatPlan(plan.value))
      if (plan.value.lints.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failed
    })
}

async function readSample(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('FILE_UNREADABLE', `--keys ${file} cannot be read (${cause.code})`, { cause })
  })
  if (text.length > SAMPLE_BYTES_MAX) {
    throw new Failure(
      'SAMPLE_TOO_LARGE',
      `--keys ${file} has ${text.length} characters; at most ${SAMPLE_BYTES_MAX} are read, so give a sample`,
    )
  }
  return text.split(/\r?\n/).filter((line) => line !== '')
}
