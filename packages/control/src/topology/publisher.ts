/**
 * Publishing: plan → sign → check → store → show. The plan says all there is to decide; from then on nothing is.
 *
 * The check is the consumers' own: a document that `acceptBase` would refuse at a router is refused here, before it is
 * stored. It is shown (API, push, files) only after it is stored, so that no router can hold what a restart forgets.
 */
import {
  type Cell,
  formatProblems,
  type Parsed,
  parsed,
  signDocument,
  type TopologyBase,
  type TrustedKeys,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { acceptBase, acceptOverlay, type CrowdedCell, diffBases } from '@cellplane/core'
import type { ControlConfig } from '../config.ts'
import { AUDIT, BASES, CURRENT_KEY, OVERLAYS, VERSIONS, versionKey } from '../store/collections.ts'
import type { Store, StoreWriter } from '../store/store.ts'
import type { BaseInputs } from './base-inputs.ts'
import { planBase } from './plan-base.ts'
import type { Published } from './published.ts'

/** Bases kept in the store, for `topology diff` and for a way back. */
export const BASES_KEPT = 50

/** The longest reason of a version; a large change is told in full by `topology diff`. */
const REASON_LENGTH_MAX = 512

export type PublisherOptions = {
  store: Store
  published: Published
  fleet: FleetFile
  signingKey: ControlConfig['signingKey']
  keys: TrustedKeys
}

export type Publisher = ReturnType<typeof createPublisher>

export function createPublisher(options: PublisherOptions) {
  const { store, published, fleet, signingKey, keys } = options
  let crowded: readonly CrowdedCell[] = []
  return {
    /** Cells with more tenants than their bound, as of the last plan. */
    crowded: (): readonly CrowdedCell[] => crowded,
    /** Without the lease nothing is planned, and what was found before is no news. */
    forget(): void {
      crowded = []
    },

    /**
     * Publishes a base when it would say something new. `read` gives what the base is made of, inside the transaction.
     * The value says whether it did; problems are those of `planBase` and `acceptBase`.
     */
    async publishBase(
      read: (writer: StoreWriter) => Promise<BaseInputs & { cells: Cell[] }>,
      epoch: number,
      now: number,
    ): Promise<Parsed<boolean>> {
      const current = published.base()?.snapshot ?? null
      const stored = await store.write(async (writer): Promise<Parsed<string | null>> => {
        const plan = planBase({
          ...(await read(writer)),
          fleet,
          current: current?.base ?? null,
          epoch,
          now,
          // Tenants come as they like; a base that is refused for it could not take a failed cell out either.
          bounds: 'best-effort',
        })
        if (!plan.ok) return plan
        crowded = plan.value.crowded
        if (!plan.value.isChanged) return parsed(null)
        const signed = signDocument(plan.value.base, signingKey.id, signingKey.privateKey)
        const text = JSON.stringify(signed)
        const check = acceptBase(current, text, keys, fleet.fleet)
        if (!check.ok) return check
        await storeBase(writer, text, signed, current?.base ?? null, plan.value.notes)
        return parsed(text)
      })
      if (!stored.ok) return stored
      if (stored.value === null) return parsed(false)
      mustTake(published.takeBase(stored.value))
      return parsed(true)
    },

    async publishOverlay(unsigned: UnsignedTopologyOverlay): Promise<Parsed<boolean>> {
      const base = published.base()
      if (!base) return parsed(false)
      const signed = signDocument(unsigned, signingKey.id, signingKey.privateKey)
      const text = JSON.stringify(signed)
      const check = acceptOverlay(published.overlay()?.overlay ?? null, base.snapshot, text, keys)
      if (!check.ok) return check
      await store.write((writer) =>
        writer.put(OVERLAYS, CURRENT_KEY, { epoch: signed.epoch, version: signed.version, text }),
      )
      mustTake(published.takeOverlay(text))
      return parsed(true)
    },
  }
}

async function storeBase(
  writer: StoreWriter,
  text: string,
  base: TopologyBase,
  before: TopologyBase | null,
  notes: string[],
): Promise<void> {
  const key = versionKey(base)
  const cause = (await writer.list(AUDIT, { order: 'descending', limit: 1 })).rows[0]?.value
  const lines = before ? diffBases(before, base).lines : ['the first placement']
  await writer.put(BASES, key, { epoch: base.epoch, version: base.version, text })
  await writer.put(VERSIONS, key, {
    epoch: base.epoch,
    version: base.version,
    issued_at: base.issued_at,
    reason: [...lines, ...notes].join('; ').slice(0, REASON_LENGTH_MAX),
    actor: cause?.actor ?? 'control plane',
    bytes: Buffer.byteLength(text),
  })
  const kept = await writer.list(VERSIONS, { order: 'descending', limit: BASES_KEPT + 1 })
  const oldest = kept.rows.at(-1)
  if (kept.rows.length > BASES_KEPT && oldest) {
    await writer.remove(VERSIONS, oldest.key)
    await writer.remove(BASES, oldest.key)
  }
}

/** What was checked a moment ago is taken now, or the code is wrong. */
function mustTake(taken: Parsed<unknown>): void {
  if (!taken.ok) throw new Error(`a stored document was refused: ${formatProblems(taken.problems)}`)
}
