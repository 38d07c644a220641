/**
 * Replacing the key that signs a fleet's topology, with an overlap: at every moment, what is signed is believed.
 *
 *     one key ──prepare──▶ the next one is trusted, too ──switch──▶ it signs; the former one is still trusted ──finish──▶ one key
 *
 * The phase is what files there are, so a rotation that was interrupted goes on where it was. Each step leaves a set of
 * trusted keys that holds both the key that signs before it and the one that signs after it. When to take the next step
 * is the caller's: only a running fleet can say that nobody needs the former key any more.
 */
import { createPublicKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { keyIdOf } from '@cellplane/contract'
import { writeAtomically } from '@cellplane/host'
import type { StateLayout } from '../fleet/state-layout.ts'
import { jsonText } from '../json-text.ts'
import { ensurePrivateKey, publicJwk, readPrivateKey, writeTopologyJwks } from './keys.ts'

export type RotationPhase = 'settled' | 'prepared' | 'switched'

export function rotationPhase(layout: StateLayout): RotationPhase {
  if (existsSync(layout.topologyKeyNext)) return 'prepared'
  return existsSync(layout.topologyKeyFormer) ? 'switched' : 'settled'
}

/** Makes the next key and has it trusted. */
export async function prepareNextKey(layout: StateLayout): Promise<void> {
  await ensurePrivateKey(layout.topologyKeyNext)
  await writeTopologyJwks(layout)
}

/** The next key signs from now on; the former one's public half stays. Returns the id of the key that signs. */
export async function switchToNextKey(layout: StateLayout): Promise<string> {
  const former = publicJwk(await readPrivateKey(layout.topologyKey))
  await writeAtomically(layout.topologyKeyFormer, jsonText({ keys: [former] }))
  await rename(layout.topologyKeyNext, layout.topologyKey)
  await writeTopologyJwks(layout)
  return signingKeyId(layout)
}

/** The former key is trusted no longer. */
export async function forgetFormerKey(layout: StateLayout): Promise<void> {
  await rm(layout.topologyKeyFormer, { force: true })
  await writeTopologyJwks(layout)
}

export async function signingKeyId(layout: StateLayout): Promise<string> {
  return keyIdOf(createPublicKey(await readPrivateKey(layout.topologyKey)))
}
