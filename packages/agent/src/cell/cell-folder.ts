/**
 * A cell's folder on the host, and who may read what in it.
 *
 *   postgres/           the cluster; its user's alone
 *   home/               HOME of the components; its user's alone
 *   compiled/           Node's compile cache; its user's alone. Filled from the host's builds (compiled-code.ts)
 *   router.secret       the cell's user's alone
 *   postgres.json       the database's passwords; the agent's alone, and they never leave the host
 *   credentials.json    what the control plane gave, for when it is gone; the agent's alone
 *   prepared.json       which release was bootstrapped
 *   logs/ run/          output; records of running processes. The agent's alone
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '@cellplane/host'
import { type OsUser, POSTGRES_PASSWORD_BYTES } from '@cellplane/postgres'

/** Others may pass through to what is theirs, and list nothing. */
const PASSABLE = 0o711
const PRIVATE = 0o700

export type CellFolder = {
  path: string
  postgres: string
  home: string
  compiled: string
  logs: string
  records: string
  routerSecretFile: string
  credentialsFile: string
  preparedFile: string
  passwordsFile: string
  logFile(name: string): string
  /** `api.run.json`: see `parseRecordFile`. */
  recordFile(component: string, target: string): string
}

export type DatabasePasswords = { admin: string; app: string }

export function cellFolder(stateDir: string, cell: string): CellFolder {
  const path = join(stateDir, 'cells', cell)
  return {
    path,
    postgres: join(path, 'postgres'),
    home: join(path, 'home'),
    compiled: join(path, 'compiled'),
    logs: join(path, 'logs'),
    records: join(path, 'run'),
    routerSecretFile: join(path, 'router.secret'),
    credentialsFile: join(path, 'credentials.json'),
    preparedFile: join(path, 'prepared.json'),
    passwordsFile: join(path, 'postgres.json'),
    logFile: (name) => join(path, 'logs', `${name}.log`),
    recordFile: (component, target) => join(path, 'run', `${component}.${target}.json`),
  }
}

/** The process that a file in `run/` records; undefined when the file is none of ours. */
export function parseRecordFile(name: string): { component: string; target: string } | undefined {
  const [, component, target] = /^([^.]+)\.([a-z]+)\.json$/.exec(name) ?? []
  return component && target ? { component, target } : undefined
}

/** Makes what is absent. `owner` is the user of the cell's components, when it is not the agent's. */
export async function makeCellFolder(folder: CellFolder, owner: OsUser | undefined): Promise<void> {
  await makeDirectory(join(folder.path, '..'), PASSABLE)
  await makeDirectory(folder.path, PASSABLE)
  await makeDirectory(folder.logs, PRIVATE)
  await makeDirectory(folder.records, PRIVATE)
  for (const own of [folder.home, folder.compiled]) {
    await makeDirectory(own, PRIVATE)
    if (owner) await chown(own, owner.uid, owner.gid)
  }
}

/** Written only when it changes: components watch the file. */
export async function writeRouterSecrets(
  folder: CellFolder,
  secrets: readonly string[],
  owner: OsUser | undefined,
): Promise<void> {
  const content = `${secrets.join('\n')}\n`
  const found = await readFile(folder.routerSecretFile, 'utf8').catch(() => undefined)
  if (found === content) {
    if (owner) await chown(folder.routerSecretFile, owner.uid, owner.gid)
    return
  }
  await writeAtomically(folder.routerSecretFile, content, { owner })
}

/** Made once, before the cluster that they open. */
export async function databasePasswords(folder: CellFolder): Promise<DatabasePasswords> {
  const text = await readFile(folder.passwordsFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text !== undefined) return parsePasswords(text, folder.passwordsFile)
  const password = () => randomBytes(POSTGRES_PASSWORD_BYTES).toString('base64url')
  const passwords = { admin: password(), app: password() }
  await writeAtomically(folder.passwordsFile, `${JSON.stringify(passwords)}\n`)
  return passwords
}

function parsePasswords(text: string, file: string): DatabasePasswords {
  try {
    const { admin, app } = JSON.parse(text) as Partial<DatabasePasswords>
    if (typeof admin === 'string' && typeof app === 'string') return { admin, app }
  } catch {
    // Said below: the content must not be in a message.
  }
  throw new Error(
    `${file} does not hold the database's passwords; restore it, or remove the cell's folder with its data`,
  )
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode })
  // mkdir's mode passes through the umask, and says nothing of a folder that exists.
  await chmod(path, mode)
}
