/**
 * Whether a consumer may take a document that arrived: from the network, from a file, from its own disk.
 *
 * A document is taken whole or refused whole, with a reason that can be counted and reported; nothing here throws, and
 * the last good document stays. The checks go from the outside in: size and syntax, shape and format, fleet,
 * signature, age, and at last whether its parts fit each other. So an unsigned document never gets to say anything
 * about age, and a misfit is known to be the publisher's.
 *
 * Age is the pair (epoch, version). Any newer document will do, not only the next: a router that was away for long
 * takes the newest, and a restored store wins by its epoch.
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
import { buildSnapshot, type Snapshot } from './snapshot.ts'

/**
 * Problems beyond those of the parsers: TOPOLOGY_OTHER_FLEET, TOPOLOGY_KEY_UNKNOWN, TOPOLOGY_SIGNATURE_INVALID,
 * TOPOLOGY_UNCHANGED (the document that is held already: no fault), TOPOLOGY_OLDER, TOPOLOGY_NO_CELLS, and the
 * misfits of `buildRoutingIndex`.
 */
export function acceptBase(
  current: Snapshot | null,
  text: string,
  keys: TrustedKeys,
  fleet: string,
): Parsed<Snapshot> {
  const base = acceptDocument(current?.base ?? null, parseTopologyText(text, parseTopologyBase), keys, fleet)
  if (!base.ok) return base
  if (!base.value.cells.some((cell) => cell.state === 'active' && cell.role === 'serving')) {
    return refused(
      problem('TOPOLOGY_NO_CELLS', 'cells', 'no cell is active; such a document would stop all traffic'),
    )
  }
  return buildSnapshot(base.value)
}

/** The same for an overlay. It may name slots that the base lacks (the two travel apart): those marks have no effect. */
export function acceptOverlay(
  current: TopologyOverlay | null,
  snapshot: Snapshot,
  text: string,
  keys: TrustedKeys,
): Parsed<TopologyOverlay> {
  return acceptDocument(current, parseTopologyText(text, parseTopologyOverlay), keys, snapshot.base.fleet)
}

function acceptDocument<T extends TopologyBase | TopologyOverlay>(
  current: T | null,
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
  if (!genuine.ok || !current) return genuine
  const { epoch, version, signature } = document.value
  if (epoch > current.epoch || (epoch === current.epoch && version > current.version)) {
    return parsed(document.value)
  }
  const found = `(epoch ${epoch}, version ${version})`
  // Ed25519 is deterministic: one signature by one key stands for one content.
  if (epoch === current.epoch && version === current.version && signature.value === current.signature.value) {
    return refused(problem('TOPOLOGY_UNCHANGED', 'version', `${found} is what is held already`))
  }
  return refused(
    problem(
      'TOPOLOGY_OLDER',
      'version',
      `found ${found}; expected newer than (epoch ${current.epoch}, version ${current.version}), which is held; a restored control plane begins a new epoch`,
    ),
  )
}
