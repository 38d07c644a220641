/**
 * Bugs to plant, each through a seam: what a simulation must find, or it proves nothing. Each is one that somebody made,
 * somewhere, once.
 */
import { parseTopologyBase, parseTopologyOverlay, parseTopologyText } from '@cellplane/contract'
import { buildSnapshot } from '@cellplane/core'
import type { Topology, TopologyFollower } from '@cellplane/router/parts'
import type { InvariantName } from './invariants.ts'
import type { RouterParts } from './router-node.ts'
import type { Bugs } from './simulated-fleet.ts'

/**
 * `breaks`: what may notice it first; routers that hold another document than the newest do not come to rest either.
 * `favoured`: the faults by which it shows.
 */
export type PlantedBug = { bugs: Bugs; breaks: readonly InvariantName[]; favoured: readonly string[] }

const POLL_MS = 5_000

/** Takes whatever it is given last: the answer of a replica that is behind, or one that was late on its way. */
const takesAnything: RouterParts['follow'] = async ({ controlPlane, onTopology }) => {
  let current: Topology | null = null
  async function ask(kind: 'base' | 'overlay'): Promise<void> {
    const response = await fetch(`${controlPlane?.url}/v1/topology/${kind}`, {
      signal: AbortSignal.timeout(POLL_MS),
    })
    if (response.status !== 200) return
    const text = await response.text()
    if (kind === 'base') {
      const base = parseTopologyText(text, parseTopologyBase)
      const snapshot = base.ok ? buildSnapshot(base.value) : base
      if (!snapshot.ok) return
      current = { snapshot: snapshot.value, overlay: current?.overlay ?? null, overlayConfirmedAt: 0 }
    } else {
      const overlay = parseTopologyText(text, parseTopologyOverlay)
      if (!overlay.ok || !current) return
      current = {
        ...current,
        overlay: overlay.value,
        overlayConfirmedAt: performance.timeOrigin + performance.now(),
      }
    }
    onTopology(current)
  }
  async function poll(): Promise<void> {
    await ask('base').catch(() => {})
    await ask('overlay').catch(() => {})
    setTimeout(poll, POLL_MS)
  }
  void poll()
  const follower: TopologyFollower = {
    get current() {
      return current
    },
    controlPlaneSeenAt: null,
    objectStore: null,
    refresh: poll,
    stop: async () => {},
  }
  return follower
}

export const PLANTED_BUGS: Record<string, PlantedBug> = {
  'a router that accepts older versions': {
    bugs: { follow: takesAnything },
    breaks: ['versions', 'rest'],
    favoured: [],
  },
  'a health planner that ignores the freeze': {
    bugs: { plannedFreezeShare: 1 },
    breaks: ['share'],
    favoured: ['monitor lies'],
  },
  'a lease without fencing, so that two leaders publish': {
    bugs: { store: { isUnfenced: true } },
    breaks: ['versions', 'rest'],
    favoured: ['leader loses its store'],
  },
  'a restored store that keeps its epoch': {
    bugs: { looksAtStoreAlone: true },
    breaks: ['versions', 'rest'],
    favoured: ['store is restored', 'control plane restarts'],
  },
  'routers that each apply the whole limit': {
    bugs: { ignoresShares: true },
    breaks: ['rest', 'limits'],
    favoured: [],
  },
}
