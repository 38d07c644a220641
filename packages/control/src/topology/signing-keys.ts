/**
 * The key that signs the topology and the keys whose documents are believed, taken anew from their files while they run.
 *
 * A key is replaced with an overlap: consumers trust the next one before anything is signed with it, and the former one until
 * nothing of it is left. So the files change one after the other, each change is taken up within moments, and what
 * cannot be used is told while the keys of before stay. Both values are changed in place: who holds them has the new ones.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  formatProblems,
  keyIdOf,
  type Parsed,
  parsed,
  privateKeyFromPem,
  problem,
  refused,
  type TrustedKeys,
  trustedKeysOf,
} from '@cellplane/contract'
import type { Logger } from 'pino'
import { startLoop } from '../leader/loop.ts'

export type SigningKey = { id: string; privateKey: KeyObject; publicKey: KeyObject }

/** `trusted`: a JWK set, as routers have it; without one, what the signing key signed is believed and nothing else. */
export type KeyFiles = { signing: string; trusted?: string | undefined }

/** The signing key is always among the trusted ones. */
export type Keys = { signingKey: SigningKey; trusted: Map<string, KeyObject> }

/** Problems name the fields of the configuration. */
export async function readKeys({ signing, trusted }: KeyFiles): Promise<Parsed<Keys>> {
  const signingKey = await readSigningKey(signing)
  if (!signingKey.ok) return signingKey
  const { id, publicKey } = signingKey.value
  const others = trusted === undefined ? parsed(new Map<string, KeyObject>()) : await readTrusted(trusted)
  if (!others.ok) return others
  return parsed({ signingKey: signingKey.value, trusted: new Map([...others.value, [id, publicKey]]) })
}

export type KeysFollowerOptions = {
  files: KeyFiles
  keys: Keys
  intervalMs: number
  signal: AbortSignal
  logger: Logger
}

/** Resolves when the signal has aborted. */
export function followKeys({ files, keys, intervalMs, signal, logger }: KeysFollowerOptions): Promise<void> {
  let refusal = ''
  const idsOf = ({ signingKey, trusted }: Keys) => [signingKey.id, ...[...trusted.keys()].sort()].join()
  async function run(): Promise<void> {
    const read = await readKeys(files)
    const why = read.ok ? '' : formatProblems(read.problems)
    // A file that cannot be read stays so for many looks: said once.
    if (why !== '' && why !== refusal) logger.error({ why }, 'keys not taken anew; those of before stay')
    refusal = why
    if (!read.ok || idsOf(read.value) === idsOf(keys)) return
    Object.assign(keys.signingKey, read.value.signingKey)
    keys.trusted.clear()
    for (const [id, key] of read.value.trusted) keys.trusted.set(id, key)
    logger.info({ signs: keys.signingKey.id, trusted: [...keys.trusted.keys()] }, 'keys taken anew')
  }
  return startLoop({ intervalMs, run, signal }).ended
}

async function readSigningKey(file: string): Promise<Parsed<SigningKey>> {
  const path = 'signing_key_file'
  const text = await readText(file, path)
  if (!text.ok) return text
  try {
    const privateKey = privateKeyFromPem(text.value)
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error(`it is ${privateKey.asymmetricKeyType}`)
    return parsed({ id: keyIdOf(privateKey), privateKey, publicKey: createPublicKey(privateKey) })
  } catch (error) {
    const why = `${file} holds no Ed25519 private key in PEM (${(error as Error).message})`
    return refused(problem('INVALID_VALUE', path, why))
  }
}

async function readTrusted(file: string): Promise<Parsed<TrustedKeys>> {
  const path = 'trusted_keys_file'
  const text = await readText(file, path)
  if (!text.ok) return text
  try {
    const keys = trustedKeysOf(JSON.parse(text.value))
    return keys.ok
      ? keys
      : refused(problem('INVALID_VALUE', path, `${file}: ${formatProblems(keys.problems)}`))
  } catch (error) {
    return refused(problem('INVALID_JSON', path, `${file} is not JSON: ${(error as Error).message}`))
  }
}

async function readText(file: string, path: string): Promise<Parsed<string>> {
  try {
    return parsed(await readFile(file, 'utf8'))
  } catch (error) {
    const why = `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`
    return refused(problem('FILE_UNREADABLE', path, why))
  }
}
