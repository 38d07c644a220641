/** `cellplane topology verify`: would a router take this document? */
import { readFile } from 'node:fs/promises'
import type { Parsed } from '@cellplane/contract'
import {
  formatProblems,
  parseTopologyOverlay,
  parseTopologyText,
  type TrustedKeys,
  trustedKeysOf,
  verifyDocument,
} from '@cellplane/contract'
import { acceptBase } from '@cellplane/core'
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { Failure } from '../failure.ts'
import { connect, locateState, type RemoteFlags } from '../fleet/locate.ts'
import { stateLayout } from '../fleet/state-layout.ts'
import { printResult } from '../output/print.ts'

type Flags = RemoteFlags & JsonFlag & { keys?: string }

export type Verified = {
  kind: 'base' | 'overlay'
  fleet: string
  epoch: number
  version: number
  key_id: string
}

export function topologyVerifyCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'verify [file]',
      summary: 'Check a topology document as a router does: shape, signature, and whether its parts fit',
      examples: [
        ['cellplane topology verify', 'the base that is published'],
        ['cellplane topology verify backup/base.json --keys topology.jwks.json', 'a file, with these keys'],
      ],
    }).option('--keys <file>', 'JWK set of the keys to trust (default: the fleet’s own)'),
  ).action(async (file: string | undefined, flags: Flags) => {
    const text = file === undefined ? await publishedBase(flags) : await readText(file)
    const verified = verifyTopology(text, await trustedKeys(flags))
    if (!verified.ok) {
      throw new Failure('TOPOLOGY_REFUSED', `${file ?? 'the published base'} would be refused:`, verified)
    }
    const { kind, fleet, epoch, version, key_id } = verified.value
    printResult(
      flags.json,
      verified.value,
      () => `${kind} ${epoch}.${version} of fleet ${fleet} is genuine, signed by ${key_id}`,
    )
  })
}

/** Everything that a consumer checks, but for age: there is nothing to compare with. */
export function verifyTopology(text: string, keys: TrustedKeys): Parsed<Verified> {
  const head = parseTopologyText(text, (input) => ({
    ok: true,
    value: input as { kind?: unknown; fleet?: unknown },
  }))
  if (!head.ok) return head
  if (head.value?.kind === 'overlay') {
    const overlay = parseTopologyText(text, parseTopologyOverlay)
    const genuine = overlay.ok ? verifyDocument(overlay.value, keys) : overlay
    return genuine.ok ? describe('overlay', genuine.value) : genuine
  }
  const fleet = String(head.value?.fleet)
  const base = acceptBase(null, text, keys, fleet)
  return base.ok ? describe('base', base.value.document) : base
}

function describe(
  kind: Verified['kind'],
  document: { fleet: string; epoch: number; version: number; signature: { key_id: string } },
): Parsed<Verified> {
  const { fleet, epoch, version, signature } = document
  return { ok: true, value: { kind, fleet, epoch, version, key_id: signature.key_id } }
}

async function publishedBase(flags: Flags): Promise<string> {
  const { client } = await connect(flags)
  return JSON.stringify(await client.getBase())
}

async function trustedKeys(flags: Flags): Promise<TrustedKeys> {
  if (flags.url !== undefined && flags.keys === undefined) {
    throw new Failure(
      'KEYS_MISSING',
      'the keys of a fleet elsewhere are not taken from itself; give them with --keys FILE',
    )
  }
  const file = flags.keys ?? stateLayout(await locateState(flags)).topologyJwks
  const keys = trustedKeysOf(parseJson(await readText(file), file))
  if (keys.ok) return keys.value
  throw new Failure('KEYS_INVALID', `${file}: ${formatProblems(keys.problems)}`)
}

async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('FILE_UNREADABLE', `${file} cannot be read (${cause.code})`, { cause })
  })
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Failure('KEYS_INVALID', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
}
