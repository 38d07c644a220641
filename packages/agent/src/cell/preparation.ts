/**
 * What runs once per release before a component does: `build` once on the host, then `bootstrap` in each cell.
 *
 * What was done is recorded, so that a restart, of a component or of the whole machine, does not repeat it: a cell that
 * was killed must be back in seconds. The release name `dev`, the fleet file's default, says nothing about what it
 * contains; it is prepared again whenever a cell is started with nothing of it running.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CELL_ENV } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'
import { writeAtomically } from '@cellplane/host'
import { findTarget } from '../component/command.ts'
import { runTarget } from '../component/run-target.ts'
import { isRecordedRunning, type ProcessSpec } from '../process/kept-process.ts'
import { type CellPlan, type CellSite, directoryOf, type HostContext, processOf } from './site.ts'

const UNVERSIONED_RELEASE = 'dev'

/** component → what was done for it: see `versionOf`. */
type Prepared = Readonly<Record<string, string>>

type Argv = readonly string[] | undefined
/** What is to be run for a component before it starts. */
export type Preparation = { component: Component; version: string; build: Argv; bootstrap: Argv }

/** What is not done yet, in the fleet file's order. */
export async function planPreparations({ plan, folder }: CellSite): Promise<Preparation[]> {
  const { release } = plan.cell
  const prepared = await readPrepared(folder.preparedFile)
  const running = await Promise.all(
    plan.components.map(({ name }) => isRecordedRunning(folder.recordFile(name, 'run'))),
  )
  const mayBeOutdated = release === UNVERSIONED_RELEASE && !running.some(Boolean)
  const preparations = await Promise.all(
    plan.components.map(async (component): Promise<Preparation> => {
      const directory = directoryOf(plan, component)
      const build = await findTarget(component, 'build', directory)
      const bootstrap = await findTarget(component, 'bootstrap', directory)
      return { component, version: versionOf(release, [build, bootstrap]), build, bootstrap }
    }),
  )
  return preparations.filter(
    ({ component, version }) => mayBeOutdated || prepared[component.name] !== version,
  )
}

/** For the first cell that asks; the others wait for it. Throws with the component, the target and how it failed. */
export async function build(site: CellSite, preparation: Preparation, signal: AbortSignal): Promise<void> {
  const { component, version, build: argv } = preparation
  if (argv === undefined) return
  await site.host.builds.run(component.name, version, () => runBuild(site, preparation, argv, signal))
}

/** In this cell, and once it is over the component counts as prepared. Throws like `build`. */
export async function bootstrap(
  site: CellSite,
  { component, version, bootstrap: argv }: Preparation,
  signal: AbortSignal,
): Promise<void> {
  const { plan, folder } = site
  if (argv) {
    const what = `bootstrap of ${plan.cell.id}/${component.name}`
    await runTarget(what, processOf(site, component, 'bootstrap', argv), signal)
  }
  await recordPrepared(folder.preparedFile, component, version)
}

async function runBuild(
  { host, plan }: CellSite,
  { component, version }: Preparation,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const folder = buildsFolder(host)
  const preparedFile = join(folder, 'prepared.json')
  const isDone = (await readPrepared(preparedFile))[component.name] === version
  if (isDone && plan.cell.release !== UNVERSIONED_RELEASE) return
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const what = `build of ${component.name}`
  await runTarget(what, buildProcessOf(host, plan, component, argv), signal)
  await recordPrepared(preparedFile, component, version)
}

const buildsFolder = (host: HostContext): string => join(host.config.state_dir, 'builds')

/** What Node compiled while it built: see compiled-code.ts. */
export const compiledOnHost = (host: HostContext): string => join(buildsFolder(host), '.compile-cache')

/** The release, and a hash of the commands: a target that is new in the fleet file is run although the release is not. */
function versionOf(release: string, argvs: readonly Argv[]): string {
  const hash = createHash('sha256').update(JSON.stringify(argvs)).digest('hex')
  return `${release} ${hash.slice(0, 16)}`
}

/** `build` belongs to the host, not to a cell: it runs as the agent's user and gets nothing of any cell. */
function buildProcessOf(
  host: HostContext,
  plan: CellPlan,
  component: Component,
  argv: readonly string[],
): ProcessSpec {
  const { component_env: componentEnv } = host.config
  const folder = buildsFolder(host)
  const compileCache = compiledOnHost(host)
  const env: Record<string, string> = {
    PATH: host.path,
    HOME: host.home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ...componentEnv,
    ...component.env,
    NODE_COMPILE_CACHE: compileCache,
    [CELL_ENV.fleet]: plan.fleet,
    [CELL_ENV.component]: component.name,
    [CELL_ENV.release]: plan.cell.release,
    [CELL_ENV.target]: 'build',
  }
  return {
    argv,
    directory: directoryOf(plan, component),
    env,
    mark: [`NODE_COMPILE_CACHE=${compileCache}`, `${CELL_ENV.component}=${component.name}`],
    osUser: undefined,
    logFile: join(folder, `${component.name}.log`),
    recordFile: join(folder, `${component.name}.json`),
    log: host.log,
    stopTimeoutMs: component.stop_timeout_seconds * 1000,
  }
}

async function readPrepared(file: string): Promise<Prepared> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    return typeof value === 'object' && value !== null ? (value as Prepared) : {}
  } catch {
    // Absent or damaged: targets are safe to run twice.
    return {}
  }
}

async function recordPrepared(file: string, { name }: Component, version: string): Promise<void> {
  const prepared = { ...(await readPrepared(file)), [name]: version }
  await writeAtomically(file, `${JSON.stringify(prepared)}\n`)
}
