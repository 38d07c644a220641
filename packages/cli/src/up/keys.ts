/**
 * A fleet's keys: made once, kept in `keys/` (0700, files 0600), never printed.
 *
 * What is there is kept, whatever it is: a key that was replaced in silence would leave routers refusing the topology.
 * The public halves are written anew each time, so that they always belong to the private ones.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { keyIdOf } from '@cellplane/contract'
import { writeAtomically } from '@cellplane/host'
import { Failure } from '../failure.ts'
import type { StateLayout } from '../fleet/state-layout.ts'
import { jsonText } from '../json-text.ts'
import { issuerJwks } from '../tokens/development-issuer.ts'

/** 256 bits, as base64url. */
const SECRET_BYTES = 32
const PRIVATE = 0o600
const PUBLIC = 0o644

export async function ensureKeys(layout: StateLayout): Promise<void> {
  const secrets = [
    layout.adminToken,
    layout.readerToken,
    layout.routerToken,
    layout.hostToken,
    layout.routerKey,
    layout.databasePassword,
  ]
  for (const file of secrets)
    await ensureFile(file, () => `${randomBytes(SECRET_BYTES).toString('base64url')}\n`)
  for (const file of [layout.topologyKey, layout.issuerKey]) await ensureFile(file, newPrivateKey)
  await writeAtomically(layout.topologyJwks, jsonText(topologyJwks(await readPrivateKey(layout.topologyKey))))
  await writeAtomically(layout.issuerJwks, jsonText(issuerJwks(await readPrivateKey(layout.issuerKey))), {
    mode: PUBLIC,
  })
}

export async function readSecret(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim()
}

async function ensureFile(file: string, make: () => string): Promise<void> {
  try {
    // A copied or restored file may have become readable for others.
    await chmod(file, PRIVATE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await writeAtomically(file, make())
  }
}

function newPrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

async function readPrivateKey(file: string): Promise<KeyObject> {
  try {
    const key = createPrivateKey(await readFile(file, 'utf8'))
    if (key.asymmetricKeyType === 'ed25519') return key
    throw new Error(`it is ${key.asymmetricKeyType}`)
  } catch (cause) {
    throw new Failure(
      'KEY_DAMAGED',
      `${file} holds no Ed25519 private key (${(cause as Error).message}); restore it, or delete it to have a new one made`,
      { cause },
    )
  }
}

function topologyJwks(privateKey: KeyObject): object {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { keys: [{ ...jwk, kid: keyIdOf(privateKey), alg: 'EdDSA', use: 'sig' }] }
}
