/**
 * Whether a consumer may take a document that arrived: from the network, from a file, from its own disk.
 *
 * A document is taken whole or refused whole, with a reason that can be counted and reported; nothing here throws, and
 * the last good document stays. The checks go from the outside in: size and syntax, shape and format, fleet,
 * signature, age, and at last whether its parts fit each other. So an unsigned document never gets to say anything
 * about age, and a misfit is known to be the publisher's.
 *
 * Age is the pair (epoch, version). Any newer document will do, not only the next: a router that was away for long
 * takes the newest, and a restored store wins by its epoch. The next one is doubted (`check/guard.ts`) when it changes more
 * at once than the budget allows.
 */
import {
  type Parsed,
  parsed,
  parseTopologyBase,
  parseTopologyOverlay,
  parseTopologyText,
  problem,
  refused,
  type TopologyBase,
  type TopologyOverlay,
  type TrustedKeys,
  verifyDocument,
} from '@cellplane/contract'
import { type GuardedBase, guardSuccessor } from '../check/guard.ts'
import { type FittedBase, overlayMisfits } from './overlay-fit.ts'
import { openSnapshot, type PackedSnapshot, packSnapshot, type Snapshot } from './snapshot.ts'

/** What is compared with a newer document; a held document is one. */
export type Held = Pick<TopologyBase | TopologyOverlay, 'epoch' | 'version' | 'signature'>

/** With `guarded`, a direct successor is doubted as well; a publisher, which has checked it, leaves that out. */
export type HeldBase = Held & { readonly guarded?: GuardedBase | undefined }

export type AcceptedBase = {
  readonly document: TopologyBase
  readonly snapshot: Snapshot
}

/**
 * Problems beyond those of the parsers: TOPOLOGY_OTHER_FLEET, TOPOLOGY_KEY_UNKNOWN, TOPOLOGY_SIGNATURE_INVALID,
 * TOPOLOGY_UNCHANGED (the document that is held already: no fault), TOPOLOGY_OLDER, TOPOLOGY_NO_CELLS, BUDGET_EXCEEDED, and the
 * misfits of `buildRoutingIndex`.
 */
export function acceptBase(
  held: HeldBase | null,
  text: string,
  keys: TrustedKeys,
  fleet: string,
): Parsed<AcceptedBase> {
  const read = readBase(held, text, keys, fleet)
  if (!read.ok) return read
  const { document, packed } = read.value
  return parsed({ document, snapshot: openSnapshot(packed) })
}

/** All of `acceptBase` that grows with the document: its result can be handed over by whoever did it. */
export function readBase(
  held: HeldBase | null,
  text: string,
  keys: TrustedKeys,
  fleet: string,
): Parsed<{ document: TopologyBase; packed: PackedSnapshot }> {
  const base = acceptDocument(held, parseTopologyText(text, parseTopologyBase), keys, fleet)
  if (!base.ok) return base
  const document = base.value
  if (!document.cells.some((cell) => cell.state === 'active' && cell.role === 'serving')) {
    return refused(
      problem('TOPOLOGY_NO_CELLS', 'cells', 'no cell is active; such a document would stop all traffic'),
    )
  }
  const packed = packSnapshot(document)
  if (!packed.ok) return packed
  const doubts = guardSuccessor(held?.guarded, packed.value.base, packed.value.index)
  return doubts.length > 0 ? { ok: false, problems: doubts } : parsed({ document, packed: packed.value })
}

/**
 * The same for an overlay. `base`: the one that is held, which the marks must fit if it is the one that the overlay names
 * (TOPOLOGY_OVERLAY_MISFIT). Null leaves that to the caller, for whom another base may be current by then.
 */
export function acceptOverlay(
  held: Held | null,
  text: string,
  keys: TrustedKeys,
  fleet: string,
  base: FittedBase | null,
): Parsed<TopologyOverlay> {
  const overlay = acceptDocument(held, parseTopologyText(text, parseTopologyOverlay), keys, fleet)
  if (!overlay.ok || !base) return overlay
  const misfits = overlayMisfits(overlay.value, base)
  return misfits.length > 0 ? { ok: false, problems: misfits } : overlay
}

function acceptDocument<T extends TopologyBase | TopologyOverlay>(
  held: Held | null,
  document: Parsed<T>,
  keys: TrustedKeys,
  fleet: string,
): Parsed<T> {
  if (!document.ok) return document
  if (document.value.fleet !== fleet) {
    return refused(
      problem(
        'TOPOLOGY_OTHER_FLEET',
        'fleet',
        `found fleet "${document.value.fleet}"; expected "${fleet}"; check the address of the control plane`,
      ),
    )
  }
  const genuine = verifyDocument(document.value, keys)
  if (!genuine.ok || !held) return genuine
  const { epoch, version, signature } = document.value
  if (epoch > held.epoch || (epoch === held.epoch && version > held.version)) {
    return parsed(document.value)
  }
  const found = `(epoch ${epoch}, version ${version})`
  // Ed25519 is deterministic: one signature by one key stands for one content.
  if (epoch === held.epoch && version === held.version && signature.value === held.signature.value) {
    return refused(problem('TOPOLOGY_UNCHANGED', 'version', `${found} is what is held already`))
  }
  return refused(
    problem(
      'TOPOLOGY_OLDER',
      'version',
      `found ${found}; expected newer than (epoch ${held.epoch}, version ${held.version}), which is held; a restored control plane begins a new epoch`,
    ),
  )
}
