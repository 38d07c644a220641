/** The worked example with its cells in several zones: a fleet file of its own, whose programs run where the example's do. */
import { readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseFleetFile } from '@cellplane/contract/fleet-file'

/** Writes it to `path`. YAML holds JSON, so it is written as that. */
export async function writeZonedExample(
  example: string,
  zones: readonly string[],
  path: string,
): Promise<void> {
  const read = parseFleetFile(await readFile(example, 'utf8'))
  if (!read.ok)
    throw new Error(
      `${example} is no fleet file: ${read.problems.map(({ message }) => message).join('; ')}`,
      {
        cause: read.problems,
      },
    )
  const fleet = read.value
  const directory = dirname(example)
  const zoned = {
    ...fleet,
    cells: { ...fleet.cells, zones },
    components: fleet.components.map((component) => ({ ...component, directory })),
    local: {
      ...fleet.local,
      services: fleet.local.services.map((service) => ({ ...service, directory })),
    },
  }
  await writeFile(path, JSON.stringify(zoned, null, 2))
}
