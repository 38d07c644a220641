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
import { existsSync } from 'node:fs'
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
  for (const file of [layout.topologyKey, layout.issuerKey]) await ensurePrivateKey(file)
  await writeTopologyJwks(layout)
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

export async function ensurePrivateKey(file: string): Promise<void> {
  await ensureFile(file, newPrivateKey)
}

function newPrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

export async function readPrivateKey(file: string): Promise<KeyObject> {
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

/** The keys that routers and the control plane trust: the one that signs, and those of a rotation that is under way. */
export async function writeTopologyJwks(layout: StateLayout): Promise<void> {
  const keys: JsonWebKey[] = [publicJwk(await readPrivateKey(layout.topologyKey))]
  if (existsSync(layout.topologyKeyNext)) keys.push(publicJwk(await readPrivateKey(layout.topologyKeyNext)))
  if (existsSync(layout.topologyKeyFormer)) {
    const former = JSON.parse(await readFile(layout.topologyKeyFormer, 'utf8')) as { keys: JsonWebKey[] }
    keys.push(...former.keys)
  }
  await writeAtomically(layout.topologyJwks, jsonText({ keys }))
}

export function publicJwk(privateKey: KeyObject): JsonWebKey {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { ...jwk, kid: keyIdOf(privateKey), alg: 'EdDSA', use: 'sig' } as JsonWebKey
}
