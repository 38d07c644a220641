/** `cellplane cell set`. */
import { type Command, InvalidArgumentError } from 'commander'
import {
  aboutAnyFleet,
  createCommand,
  forceOption,
  type JsonFlag,
  mayForce,
  number,
  reasonOption,
} from '../command.ts'
import { usageFailure } from '../failure.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { formatCell } from '../output/cell-details.ts'
import { printResult } from '../output/print.ts'

const CEILINGS = {
  'requests-per-second': 'requests_per_second',
  'in-flight': 'in_flight',
  'queue-depth': 'queue_depth',
  tenants: 'tenants',
} as const

type Ceilings = { [Field in (typeof CEILINGS)[keyof typeof CEILINGS]]?: number | null }
type Flags = RemoteFlags &
  JsonFlag & { weight?: number; capacity?: Ceilings; reason: string; force?: boolean }

export function cellSetCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'set <cell>',
      summary: 'Set the weight and the ceilings of a cell',
      details:
        'A weight moves tenants’ places at once, and is refused above what shards allow. A bound on tenants that cannot be kept is refused. What is set stays over restarts until the fleet file says something new of the cell’s weight or capacity.',
      examples: [
        [
          'cellplane cell set cell-003 --weight 5 --reason "older machine"',
          'half of what a cell of weight 10 carries',
        ],
        [
          'cellplane cell set cell-003 --capacity tenants=500 --capacity in-flight=none',
          'a bound on tenants, and no ceiling on what is in flight',
        ],
      ],
    })
      .option('--weight <n>', 'its share of places relative to the others', number(0, 100))
      .option(
        '--capacity <ceiling=n>',
        `a ceiling, or \`none\`: ${Object.keys(CEILINGS).join(', ')}; may be given more than once`,
        ceiling,
      )
      .addOption(reasonOption('set with the CLI'))
      .addOption(forceOption()),
  ).action(async (id: string, flags: Flags, command: Command) => {
    const { weight, capacity, reason } = flags
    if (weight === undefined && capacity === undefined)
      throw usageFailure('nothing is to be set; give --weight or --capacity')
    const force = mayForce(flags, command)
    const { client } = await connect(flags)
    const cell = await client.setCell({
      params: { cell: id },
      body: {
        ...(weight === undefined ? {} : { weight }),
        ...(capacity === undefined ? {} : { capacity }),
        ...{ reason, force },
      },
    })
    printResult(
      flags.json,
      cell,
      () => `${formatCell(cell)}\n\nwhat that moves: \`cellplane topology history\`, within moments`,
    )
  })
}

function ceiling(text: string, before: Ceilings = {}): Ceilings {
  const [, name = '', value = ''] = /^([a-z-]+)=(none|\d+(?:\.\d+)?)$/.exec(text) ?? []
  const field = Object.hasOwn(CEILINGS, name) ? CEILINGS[name as keyof typeof CEILINGS] : undefined
  if (!field) {
    throw new InvalidArgumentError(
      `Expected a ceiling such as tenants=500 or tenants=none, of ${Object.keys(CEILINGS).join(', ')}.`,
    )
  }
  return { ...before, [field]: value === 'none' ? null : Number(value) }
}
