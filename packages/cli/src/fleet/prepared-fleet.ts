/** The fleet as `cellplane up` last ran it: its file with flags applied and the development issuer filled in, as the control plane reads it. */
import { readFile } from 'node:fs/promises'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import { writeAtomically } from '@cellplane/host'
import { Failure } from '../failure.ts'
import { jsonText } from '../json-text.ts'
import { stateLayout } from './state-layout.ts'

export async function writePreparedFleet(
  stateDir: string,
  directory: string,
  fleet: FleetFile,
): Promise<void> {
  await writeAtomically(stateLayout(stateDir).fleet, jsonText({ directory, fleet }))
}

export async function readPreparedFleet(stateDir: string): Promise<FleetFile> {
  const file = stateLayout(stateDir).fleet
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(
      'FLEET_NEVER_RAN',
      `${file} cannot be read (${cause.code}); it is made by the first \`cellplane up\``,
      { cause },
    )
  })
  const fleet = parseFleet(parseJson(text)?.fleet)
  if (fleet.ok) return fleet.value
  throw new Failure('STATE_DAMAGED', `${file} is damaged; \`cellplane up\` writes it anew`, fleet)
}

function parseJson(text: string): { fleet?: unknown } | null | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
