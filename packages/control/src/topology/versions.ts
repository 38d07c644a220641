/** Bases that were published, as the store keeps them: by version number, read as a consumer would read them. */
import {
  type Parsed,
  parseTopologyBase,
  parseTopologyText,
  problem,
  refused,
  type TopologyBase,
} from '@cellplane/contract'
import { BASES, VERSIONS, versionKey } from '../store/collections.ts'
import { intact, type StoreReader } from '../store/store.ts'

/** Versions go on rising when an epoch begins, so one version is one document; the newest epoch wins if a store was replaced. */
export async function readVersion(
  reader: StoreReader,
  version: number,
): Promise<Parsed<{ text: string; document: TopologyBase }>> {
  const versions = intact(await reader.list(VERSIONS, { order: 'descending' }))
  const found = versions.find((one) => one.version === version)
  const row = found && (await reader.get(BASES, versionKey(found)))
  if (!row) {
    const known = versions.length > 0 ? `${versions.at(-1)?.version}–${versions[0]?.version}` : 'none'
    return refused(problem('NOT_FOUND', 'path.version', `version ${version} is not kept; kept are ${known}`))
  }
  const document = parseTopologyText(row.text, parseTopologyBase)
  return document.ok ? { ok: true, value: { text: row.text, document: document.value } } : document
}
