/**
 * The secrets by which a cell knows its routers: one, or two while they rotate, in a file that the agent replaces.
 *
 * The file is looked at again when a second has passed, so that a secret that was taken out stops working, and at once
 * when a secret does not match, so that a new one works from its first request. What cannot be read changes nothing: the
 * last good secrets stay.
 */
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { secretsMatch } from '@cellplane/contract/cell'

export type RouterSecrets = { accepts(found: string): Promise<boolean> }

/** How long a secret that was taken out of the file may still be believed. */
const LOOK_INTERVAL_MS = 1000
/** The current one and the one before it. */
const SECRETS_MAX = 2
/** The same floor as the contract's: shorter ones can be guessed. */
const SECRET_CHARACTERS_MIN = 32

/** Reads the file at once. Throws when it cannot be read: a cell that believes no router cannot serve behind one. */
export function createRouterSecrets(file: string | undefined, clock: () => number = Date.now): RouterSecrets {
  if (file === undefined) return { accepts: async () => false }
  let secrets = readAtStart(file)
  let version = ''
  let lookedAt = clock()
  let looking: Promise<void> | undefined

  async function look(path: string): Promise<void> {
    lookedAt = clock()
    try {
      const { mtimeMs, ino, size } = await stat(path)
      const found = `${mtimeMs} ${ino} ${size}`
      if (found === version) return
      secrets = parseSecrets(await readFile(path, 'utf8'))
      version = found
    } catch {
      // Being replaced or being written; the next look sees it whole.
    }
  }

  const refresh = (path: string): Promise<void> => {
    looking ??= look(path).finally(() => {
      looking = undefined
    })
    return looking
  }
  const isKnown = (found: string) => secrets.some((secret) => secretsMatch(found, secret))

  return {
    async accepts(found) {
      if (clock() - lookedAt >= LOOK_INTERVAL_MS) await refresh(file)
      if (isKnown(found)) return true
      await refresh(file)
      return isKnown(found)
    },
  }
}

function readAtStart(file: string): string[] {
  try {
    return parseSecrets(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new Error(
      `the router secrets in ${file} cannot be read: ${(cause as Error).message}; the agent writes this file, so look at its log`,
      { cause },
    )
  }
}

function parseSecrets(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const secrets = lines.filter((line) => line !== '')
  if (secrets.length === 0 || secrets.length > SECRETS_MAX) {
    throw new Error(`found ${secrets.length} lines; expected 1 or ${SECRETS_MAX}`)
  }
  if (secrets.some((secret) => secret.length < SECRET_CHARACTERS_MIN)) {
    throw new Error(`found a secret shorter than ${SECRET_CHARACTERS_MIN} characters`)
  }
  return secrets
}
