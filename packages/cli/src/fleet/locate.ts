/**
 * Which fleet a command is about, and how to talk to it.
 *
 * In this order: `--url` (a control plane anywhere), `--state`, the fleet file (`--fleet`, or one here or above), and at
 * last the one fleet that this user runs. What was said on the command line decides; nothing falls back from it to a guess.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type ApiClient, createApiClient } from '@cellplane/client'
import { Failure } from '../failure.ts'
import { findFleetFile, type ReadFleet, readFleetFile, requireFleetFile } from './fleet-file.ts'
import { listRunning } from './running.ts'
import { stateDirFor } from './state-dir.ts'
import { stateLayout } from './state-layout.ts'
import { readUpRecord, type UpRecord } from './up-record.ts'

export type FleetFlags = { fleet?: string; state?: string }
export type RemoteFlags = FleetFlags & { url?: string; tokenFile?: string }

export type Connection = {
  client: ApiClient
  url: string
  token: string
  /** Undefined for a fleet that runs elsewhere. */
  stateDir: string | undefined
}

/** The state directory that the flags mean, whether its fleet runs or not. */
export async function locateState(flags: FleetFlags): Promise<string> {
  if (flags.state !== undefined) return resolve(flags.state)
  const fleetFile = await findFleetFile(flags.fleet)
  const running = await listRunning()
  if (fleetFile !== undefined) {
    // The list knows of a --state that `up` was given; the file alone does not.
    const record = running.find((entry) => entry.fleet_file === fleetFile)
    if (record) return record.state_dir
    const { fleet } = await readFleetFile(fleetFile)
    return await stateDirFor({ flag: undefined, fleetFile, fleet: fleet.fleet })
  }
  if (running.length === 1) return running[0]!.state_dir
  throw new Failure(
    'FLEET_UNKNOWN',
    running.length === 0
      ? `found no cellplane.yaml in ${process.cwd()} or above, and you run no fleet on this machine; give --fleet PATH or --url URL`
      : `you run ${running.length} fleets: ${describeAll(running)}; say which with --fleet PATH or --state DIR`,
  )
}

/** The fleet file, found as `locateState` finds the fleet: one that is named, one here or above, or that of the one fleet that runs. */
export async function requireAnyFleetFile(
  flag: string | undefined,
  list: () => Promise<UpRecord[]> = listRunning,
): Promise<ReadFleet> {
  const path = await findFleetFile(flag)
  const running = path === undefined ? await list() : []
  if (running.length > 1) {
    throw new Failure(
      'FLEET_UNKNOWN',
      `found no cellplane.yaml in ${process.cwd()} or above, and you run ${running.length} fleets: ${describeAll(running)}; say which with --fleet PATH`,
    )
  }
  return await requireFleetFile(path ?? running[0]?.fleet_file)
}

/** Fails when the fleet does not run. `env` gives CELLPLANE_URL and CELLPLANE_TOKEN. */
export async function connect(flags: RemoteFlags, env: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  const remoteUrl = flags.url ?? (isLocal(flags) ? undefined : env['CELLPLANE_URL'])
  if (remoteUrl) {
    const token = await remoteToken(flags, env)
    return { client: createApiClient({ url: remoteUrl, token }), url: remoteUrl, token, stateDir: undefined }
  }
  const stateDir = await locateState(flags)
  const record = await requireRunning(stateDir)
  const file = flags.tokenFile ?? stateLayout(stateDir).adminToken
  const token = await readToken(file)
  const url = record.urls.control
  return { client: createApiClient({ url, token }), url, token, stateDir }
}

export async function requireRunning(stateDir: string): Promise<UpRecord> {
  const record = await readUpRecord(stateDir)
  if (record) return record
  throw new Failure(
    'FLEET_NOT_RUNNING',
    `the fleet in ${stateDir} is not running; start it with \`cellplane up\``,
  )
}

const isLocal = (flags: RemoteFlags): boolean => flags.fleet !== undefined || flags.state !== undefined

async function remoteToken(flags: RemoteFlags, env: NodeJS.ProcessEnv): Promise<string> {
  if (flags.tokenFile !== undefined) return await readToken(flags.tokenFile)
  const token = env['CELLPLANE_TOKEN']?.trim()
  if (token) return token
  throw new Failure(
    'TOKEN_MISSING',
    'a control plane elsewhere needs a token; give --token-file FILE or set CELLPLANE_TOKEN',
  )
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const remedy =
      cause.code === 'EACCES'
        ? 'it belongs to the user who runs the fleet'
        : 'give another with --token-file FILE'
    throw new Failure(
      'TOKEN_UNREADABLE',
      `the token file ${file} cannot be read (${cause.code}); ${remedy}`,
      { cause },
    )
  })
  const token = text.trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new Failure('TOKEN_UNREADABLE', `the token file ${file} does not hold one line with a token`)
}

function describeAll(running: readonly UpRecord[]): string {
  return running.map(({ fleet, state_dir }) => `${fleet} (${state_dir})`).join(', ')
}
