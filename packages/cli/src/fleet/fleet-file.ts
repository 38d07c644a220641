/** Finds and reads the fleet file that a command is about. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type FleetFile, parseFleetFile, parseOpenSlo } from '@cellplane/contract/fleet-file'
import { Failure } from '../failure.ts'
import { count } from '../output/print.ts'

export const FLEET_FILE_NAME = 'cellplane.yaml'

export type ReadFleet = {
  fleet: FleetFile
  /** Absolute. */
  path: string
  /** Its folder: components run there. */
  directory: string
}

/** The file that `--fleet` names (a file or its folder), or the first cellplane.yaml here and in the folders above. Undefined when there is none. */
export async function findFleetFile(
  flag: string | undefined,
  cwd = process.cwd(),
): Promise<string | undefined> {
  if (flag !== undefined) return await named(resolve(cwd, flag), flag)
  for (let directory = cwd; ; directory = dirname(directory)) {
    const path = join(directory, FLEET_FILE_NAME)
    if (await isFile(path)) return path
    if (directory === dirname(directory)) return undefined
  }
}

/** Fails with every problem of the file, each with its path. */
export async function readFleetFile(path: string): Promise<ReadFleet> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('FLEET_FILE_UNREADABLE', `${path} cannot be read (${cause.code})`, { cause })
  })
  const file = parseFleetFile(text)
  if (!file.ok) throw invalidFleet(path, file.problems)
  const directory = dirname(path)
  return { fleet: await withSloFile(file.value, directory), path, directory }
}

/** The objectives of the file that the fleet file names, in its place: what runs the fleet has no such file. */
async function withSloFile({ slo_file: name, ...fleet }: FleetFile, directory: string): Promise<FleetFile> {
  if (name === undefined) return fleet
  const path = resolve(directory, name)
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('SLO_FILE_UNREADABLE', `slo_file: ${path} cannot be read (${cause.code})`, { cause })
  })
  const slos = parseOpenSlo(text)
  if (slos.ok) return { ...fleet, slos: slos.value }
  throw new Failure('SLO_FILE_INVALID', `${path} has ${count(slos.problems.length, 'problem')}:`, {
    problems: slos.problems,
  })
}

/** The same for a command that cannot do without one. */
export async function requireFleetFile(flag: string | undefined): Promise<ReadFleet> {
  const path = await findFleetFile(flag)
  if (path !== undefined) return await readFleetFile(path)
  throw new Failure(
    'FLEET_FILE_MISSING',
    `found no ${FLEET_FILE_NAME} in ${process.cwd()} or above; give one with --fleet PATH, or write one with \`cellplane init\``,
  )
}

export function invalidFleet(path: string, problems: Failure['problems']): Failure {
  return new Failure('FLEET_FILE_INVALID', `${path} has ${count(problems.length, 'problem')}:`, { problems })
}

async function named(path: string, flag: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new Failure('FLEET_FILE_MISSING', `--fleet ${flag}: ${path} does not exist`)
  if (!found.isDirectory()) return path
  const inside = join(path, FLEET_FILE_NAME)
  if (await isFile(inside)) return inside
  throw new Failure(
    'FLEET_FILE_MISSING',
    `--fleet ${flag}: the folder has no ${FLEET_FILE_NAME}; name the file itself`,
  )
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}
