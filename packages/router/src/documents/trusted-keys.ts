/**
 * Whose topology is believed: the keys of a JWK set, taken anew when its file changes. So a signing key is replaced without
 * a restart: the next key is put into the file before anything is signed with it, and the former one taken out when nothing
 * of it is left.
 */
import type { KeyObject } from 'node:crypto'
import { formatProblems, type TrustedKeys, trustedKeysOf } from '@cellplane/contract'
import type { Logger } from '../log.ts'
import { startReloadedFiles } from '../tls/reloaded-files.ts'

export type FollowedKeys = {
  /** Changed in place: whoever holds it has the newest. */
  readonly keys: TrustedKeys
  stop(): Promise<void>
}

/** Rejects when the file cannot be used now; one that cannot be used later leaves the keys as they are. */
export async function startTrustedKeys(file: string, pollMs: number, log: Logger): Promise<FollowedKeys> {
  const keys = new Map<string, KeyObject>()
  const take = (trusted: TrustedKeys) => {
    keys.clear()
    for (const [id, key] of trusted) keys.set(id, key)
  }
  const files = await startReloadedFiles<TrustedKeys>({
    what: 'keys that sign the topology',
    files: [{ field: 'topology.trusted_keys_file', file }],
    build: ([text]) => parseKeys(file, text!),
    onReload: take,
    pollMs,
    log,
  })
  take(files.current)
  return { keys, stop: files.stop }
}

function parseKeys(file: string, text: string): TrustedKeys {
  let jwks: unknown
  try {
    jwks = JSON.parse(text)
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`)
  }
  const keys = trustedKeysOf(jwks)
  if (!keys.ok) throw new Error(`${file} cannot be used: ${formatProblems(keys.problems)}`)
  return keys.value
}
