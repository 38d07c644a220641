/**
 * Publishing: plan → check → sign → store → show. The plan says all there is to decide; from then on nothing is.
 *
 * The checks are the consumers' own and more: what exceeds the budget is refused unless an operator gave leave for it, and
 * a document that `acceptBase` would refuse at a router is refused here, before it is stored. It is shown (API, push, files) only after it is stored, so that no router can hold what a restart forgets.
 */
import {
  formatProblems,
  type Parsed,
  parsed,
  problem,
  refused,
  signDocument,
  type TopologyBase,
  type TrustedKeys,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { acceptBase, acceptOverlay, type CrowdedCell, diffBases } from '@cellplane/core'
import type { ControlConfig } from '../config.ts'
import {
  AUDIT,
  BASES,
  CELLS,
  CURRENT_KEY,
  OVERLAYS,
  type StoredWave,
  VERSIONS,
  versionKey,
} from '../store/collections.ts'
import { intact, type Store, type StoreWriter } from '../store/store.ts'
import type { BasePlanner } from './base-planner.ts'
import type { HeldBase, Published } from './published.ts'
import type { Rollout } from './rollout.ts'

/** Bases kept in the store, for `topology diff` and for a way back. */
export const BASES_KEPT = 50

/** The longest reason of a version; a large change is told in full by `topology diff`. */
const REASON_LENGTH_MAX = 512

export type PublisherOptions = {
  store: Store
  planner: BasePlanner
  published: Published
  fleet: Pick<FleetFile, 'fleet'>
  signingKey: ControlConfig['signingKey']
  keys: TrustedKeys
}

/** The text of a base; its wave when it goes to one router first, and the overlay that tells the others of it. */
type StoredBase = { text: string; wave: StoredWave | null; overlay: string | null }

/** `notes` are for the list of versions. `commit` writes what belongs to the base, in its transaction and once it was accepted. */
export type PlannedBase = { base: UnsignedTopologyBase; notes: string[]; commit?: () => Promise<void> }

/** Whether a base goes to one router first, decided in the transaction that stores it. */
export type BeginWave = Rollout['begin']
export const toAllAtOnce: BeginWave = async () => null

export type Publisher = ReturnType<typeof createPublisher>

export function createPublisher(options: PublisherOptions) {
  const { store, planner, published, fleet, signingKey, keys } = options
  let crowded: readonly CrowdedCell[] = []

  function isSigned({ signature }: Pick<TopologyBase, 'signature'>): boolean {
    return signature.key_id === signingKey.id
  }

  async function signAndStore(
    writer: StoreWriter,
    base: UnsignedTopologyBase,
    notes: string[],
    begin: BeginWave,
    now: number,
  ): Promise<Parsed<StoredBase>> {
    const held = published.base()
    const signed = signDocument(base, signingKey.id, signingKey.privateKey)
    const text = JSON.stringify(signed)
    const check = acceptBase(held?.document ?? null, text, keys, fleet.fleet)
    if (!check.ok) return check
    await storeBase(writer, text, signed, held?.document ?? null, notes)
    const wave = await begin(writer, held, signed, now)
    return parsed({ text, wave, overlay: wave ? await announce(writer, signed, now) : null })
  }

  /**
   * The overlay as it is, for the base to come. A router that waits for its turn is to know that there is one: ids of
   * cells that it does not know yet are news then, and no strangers'.
   */
  async function announce(writer: StoreWriter, base: TopologyBase, now: number): Promise<string | null> {
    const current = published.overlay()?.overlay
    if (current?.epoch !== base.epoch) return null
    const { signature: _, ...former } = current
    const slots = new Set(base.cells.map(({ slot }) => slot))
    const overlay = {
      ...former,
      version: current.version + 1,
      base_version: base.version,
      issued_at: new Date(now).toISOString(),
      unhealthy: current.unhealthy.filter(({ slot }) => slots.has(slot)),
    }
    const text = sign(overlay)
    await storeOverlay(writer, overlay, text)
    return text
  }

  const sign = (overlay: UnsignedTopologyOverlay): string =>
    JSON.stringify(signDocument(overlay, signingKey.id, signingKey.privateKey))

  function take(stored: Parsed<StoredBase | null>): Parsed<boolean> {
    if (!stored.ok) return stored
    if (stored.value === null) return parsed(false)
    // Before the base: whoever has that one gives out ids of its cells.
    if (stored.value.overlay) mustTake(published.takeOverlay(stored.value.overlay))
    mustTake(published.takeBase(stored.value.text, stored.value.wave))
    return parsed(true)
  }

  return {
    /** Cells with more tenants than their bound, as of the last plan. */
    crowded: (): readonly CrowdedCell[] => crowded,
    /** Whether a document has the signature of the key that signs now; one that is signed with the former key is due. */
    signed: isSigned,
    /** Without the lease nothing is planned, and what was found before is no news. */
    forget(): void {
      crowded = []
    },

    /**
     * Publishes the base that is due when it would say something new. The value says whether it did; problems are those of
     * `planBase` and `acceptBase`, and BUDGET_EXCEEDED. `begin` says whether it goes to one router first.
     */
    async publishBase(epoch: number, now: number, begin: BeginWave = toAllAtOnce): Promise<Parsed<boolean>> {
      const held = published.base()
      const stored = await store.write(async (writer): Promise<Parsed<StoredBase | null>> => {
        const cells = intact(await writer.list(CELLS)).map((stored) => stored.cell)
        const planning = await planner.read(writer, cells, epoch)
        // Tenants come as they like; a base that is refused for it could not take a failed cell out either.
        const plan = planning.plan({ cells, bounds: 'best-effort' })
        if (!plan.ok) return plan
        crowded = plan.value.crowded
        const { base, isChanged, notes } = plan.value
        if (!isChanged && held && isSigned(held.document)) return parsed(null)
        const next = await planning.useLeave(base)
        return next.ok ? await signAndStore(writer, next.value, notes, begin, now) : next
      })
      return take(stored)
    },

    /**
     * Publishes a base that was planned otherwise, such as one that goes back. `forced`: over the budget, and somebody
     * answers for it.
     */
    async publishPlanned(
      plan: (writer: StoreWriter, held: HeldBase) => Promise<Parsed<PlannedBase>>,
      begin: BeginWave,
      now: number,
    ): Promise<Parsed<boolean>> {
      const held = published.base()
      if (!held) return refused(problem('NO_TOPOLOGY', '', 'no base has been published yet'))
      const stored = await store.write(async (writer): Promise<Parsed<StoredBase>> => {
        const planned = await plan(writer, held)
        if (!planned.ok) return planned
        const { base, notes, commit } = planned.value
        const stored = await signAndStore(writer, base, notes, begin, now)
        if (stored.ok) await commit?.()
        return stored
      })
      return take(stored)
    },

    async publishOverlay(unsigned: UnsignedTopologyOverlay): Promise<Parsed<boolean>> {
      const base = published.base()
      if (!base) return parsed(false)
      const text = sign(unsigned)
      const held = published.overlay()?.overlay ?? null
      const check = acceptOverlay(held, text, keys, fleet.fleet, base.snapshot)
      if (!check.ok) return check
      await store.write((writer) => storeOverlay(writer, unsigned, text))
      mustTake(published.takeOverlay(text))
      return parsed(true)
    },
  }
}

function storeOverlay(
  writer: StoreWriter,
  { epoch, version }: UnsignedTopologyOverlay,
  text: string,
): Promise<void> {
  return writer.put(OVERLAYS, CURRENT_KEY, { epoch, version, text })
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
