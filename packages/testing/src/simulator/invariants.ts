/**
 * What must hold at every step, whatever goes wrong.
 *
 *     versions        a router never goes back to an older document, and one (epoch, version) is one content everywhere
 *     epochs          nobody's word alone makes the epochs leap, or begin one after the other
 *     home            of a stateful tenant, at most one cell accepts home-only work
 *     blast-radius    no base gives a cell, or a pair of cells, more than its budget; a change of one cell moves its share; but
 *                     for what somebody forced (`radius-check.ts`)
 *     share           no overlay takes out more than its share of the cells, or has more than its share of tenants in quarantine
 *     candidate       a tenant has a candidate cell while one of its shard is up
 *     wedged          no router refuses a genuine newer document
 *     limits          routers' shares of a limit come to no more than what is documented, and end when nobody renews them
 *
 * The first four are checked by whom they concern, in the moment that it happens; the rest once a virtual second. What has
 * to become true *after* the faults (everybody has the newest documents, every live cell serves) is in `rest.ts`.
 */
import type { Problem, TopologyBase, TopologyOverlay } from '@cellplane/contract'
import { FLOOR_SHARE, shareFloor } from '@cellplane/core'
import type { Topology } from '@cellplane/router/parts'
import type { ControlReplica } from './control-replica.ts'
import { createRadiusCheck, type RadiusPolicy } from './radius-check.ts'
import { QUIET_LOAD, type SimulatedFleet } from './simulated-fleet.ts'
import type { Trace } from './trace.ts'
import type { Place, World } from './world.ts'

export type InvariantName =
  | 'versions'
  | 'epochs'
  | 'home'
  | 'blast-radius'
  | 'share'
  | 'candidate'
  | 'wedged'
  | 'limits'
  | 'rest'

/** Thrown: a simulation ends with its first violation. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: InvariantName
  constructor(invariant: InvariantName, message: string) {
    super(message)
    this.invariant = invariant
  }
}

/** What the fleet declares, by which it is judged. */
export type Policy = RadiusPolicy & {
  freezeShare: number
  tenants: number
  /** How many of the epochs that began did so because a router or a host said that it has what the store lacks. */
  claimedEpochs(): number
}

/** Beyond what was published: what a claim may leap at most, and the one that begins for it. */
const EPOCHS_LEAPT_MAX = 16 + 1
/** Between two epochs that began by claims. */
const CLAIMED_EPOCH_EVERY_MS = 600_000

/**
 * How long a shard's only cell may be out at a router that could reach it: the longest ejection, and the time of one
 * round of probes and of a document to correct a mark.
 */
const CANDIDATE_GRACE_MS = 45_000

/** Shares are kept for 10 s and rise to the whole in a minute (docs/routing.md); 2 s are for the routers' own ticks. */
const SHARES_END_MS = 72_000
/** Told so lately, a router's shares are those of the present. */
const SHARES_FRESH_MS = 3_000
/** Rates are smoothed over two seconds and followed within some five rounds, and a wave of chance takes as long again. */
const SHARES_SETTLE_MS = 15_000
/** Of the limit: routers are told one after the other, and a division stays while it is off by little. */
const SHARES_TOLERATED = 0.1

/** Refusals that are no fault: an old document comes late, or from a replica that is behind. */
const BENIGN = new Set(['TOPOLOGY_OLDER', 'TOPOLOGY_UNCHANGED', 'TOPOLOGY_NO_BASE'])

export type Invariants = ReturnType<typeof createInvariants>

type Version = { epoch: number; version: number }
type Signed = Version & { signature: { value: string } }

export function createInvariants(world: World, trace: Trace) {
  /** `base 1.7` → the signature of the only document that may be called so, and whether a router ever had it. */
  const contents = new Map<string, { signature: string; isTaken: boolean; restores: number }>()
  /** Tenant → which cell accepted its home-only work last. */
  const homes = new Map<string, { cell: string; generation: number }>()
  /** `router row` → since when its only way is barred. */
  const strandedSince = new Map<string, number>()
  /** Since when all routers are told their shares of the busy tenant's cap, and these come to what they should not. */
  let sharesOffSince: number | null = null
  let lastChecked: TopologyBase | null = null
  const claimed = { epochs: 0, at: Number.NEGATIVE_INFINITY }
  let violation: Violation | undefined

  function violate(invariant: InvariantName, message: string): void {
    if (violation) return
    violation = new Violation(invariant, message)
    trace.note('invariant', `${invariant}: ${message}`)
  }

  const radius = createRadiusCheck((message) => violate('blast-radius', message))

  /** A document that no router had when the store forgot it never was, so its name may be given again. */
  function oneContent(
    kind: string,
    { epoch, version, signature }: Signed,
    who: string,
    isTaken: boolean,
  ): void {
    const key = `${kind} ${epoch}.${version}`
    const known = contents.get(key)
    const restores = policy.restores()
    const neverWas = known && !known.isTaken && !isTaken && known.restores < restores
    if (!known || neverWas) contents.set(key, { signature: signature.value, isTaken, restores })
    else if (known.signature !== signature.value)
      violate('versions', `${who} has another ${key} than what was published by that name before`)
    else if (isTaken) known.isTaken = true
  }

  function neverBack(
    kind: string,
    before: Version | null | undefined,
    next: Version | null | undefined,
    who: string,
  ): void {
    if (!before || !next || !isOlder(next, before)) return
    violate(
      'versions',
      `${who} goes back from ${kind} ${before.epoch}.${before.version} to ${next.epoch}.${next.version}`,
    )
  }

  function checkBase(base: TopologyBase, policy: Policy): void {
    const { freezeShare } = policy
    if (lastChecked && !isOlder(lastChecked, base)) return
    if (base.limits.unhealthy_share_max > freezeShare)
      violate('share', `base ${base.version} lets an overlay mark ${base.limits.unhealthy_share_max}`)
    checkEpoch(lastChecked, base, policy)
    lastChecked = base
    radius.check(base, policy)
  }

  function checkEpoch(before: TopologyBase | null, { epoch }: TopologyBase, { claimedEpochs }: Policy): void {
    if (before && epoch > before.epoch + EPOCHS_LEAPT_MAX)
      violate('epochs', `epoch ${epoch} begins; the newest that was published is ${before.epoch}`)
    const epochs = claimedEpochs()
    if (epochs > claimed.epochs) {
      if (world.elapsed() - claimed.at < CLAIMED_EPOCH_EVERY_MS || epochs > claimed.epochs + 1)
        violate('epochs', `epoch ${epoch} is the second that a claim has begun within ten minutes`)
      claimed.at = world.elapsed()
    }
    claimed.epochs = epochs
  }

  function checkMarks(
    overlay: TopologyOverlay,
    base: TopologyBase,
    { freezeShare, budget, tenants }: Policy,
    who: string,
  ): void {
    const serving = base.cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
    const quarantinedMax = Math.max(1, Math.ceil(budget.quarantined_share * tenants))
    if (overlay.quarantined.length > quarantinedMax) {
      violate(
        'share',
        `${who} has ${overlay.quarantined.length} tenants in quarantine; its share is ${quarantinedMax}`,
      )
    }
    const marked = overlay.unhealthy.filter(({ slot }) => serving.some((cell) => cell.slot === slot)).length
    if (marked > freezeShare * serving.length) {
      violate(
        'share',
        `${who} publishes an overlay that takes out ${marked} of ${serving.length} cells; its share is ${freezeShare}`,
      )
    }
  }

  let policy: Policy
  return {
    violation: (): Violation | undefined => violation,
    violate,
    judgeBy(declared: Policy): void {
      policy = declared
    },

    watchPublished(replica: ControlReplica): void {
      const who = replica.owner.place
      let before: { base: Version | null; overlay: Version | null } = { base: null, overlay: null }
      const look = () => {
        const [base, overlay] = [replica.published.base(), replica.published.overlay()]
        if (base && base !== before.base) {
          neverBack('base', before.base, base, who)
          oneContent('base', base.document, who, false)
          checkBase(base.document, policy)
          trace.note(who, `has base ${base.epoch}.${base.version}`)
        }
        if (base && overlay && overlay !== before.overlay) {
          neverBack('overlay', before.overlay, overlay, who)
          oneContent('overlay', overlay.overlay, who, false)
          if (replica.isLeader()) checkMarks(overlay.overlay, base.document, policy, who)
          trace.note(
            who,
            `has overlay ${overlay.epoch}.${overlay.version}, marked: ${overlay.overlay.unhealthy.map((m) => m.slot).join(' ') || 'none'}`,
          )
        }
        before = { base, overlay }
        void replica.published.changed.wait(60_000).then(look)
      }
      look()
    },

    topologyAdopted(router: Place, before: Topology | null, next: Topology): void {
      const { base } = next.snapshot
      if (before?.snapshot !== next.snapshot) {
        neverBack('base', before?.snapshot.base, base, router)
        oneContent('base', base, router, true)
        trace.note(router, `takes base ${base.epoch}.${base.version}`)
      }
      if (next.overlay && before?.overlay !== next.overlay) {
        neverBack('overlay', before?.overlay, next.overlay, router)
        oneContent('overlay', next.overlay, router, true)
        trace.note(router, `takes overlay ${next.overlay.epoch}.${next.overlay.version}`)
      }
    },

    documentRefused(
      router: Place,
      document: string,
      problems: readonly Problem[],
      _held: Topology | null,
    ): void {
      const [first] = problems
      trace.note(router, `refuses ${document}: ${first?.code} ${first?.message}`)
      if (first && !BENIGN.has(first.code))
        violate('wedged', `${router} refuses a genuine ${document}: ${first.code} ${first.message}`)
    },

    homeOnlyAccepted(cell: string, tenant: string, generation: number): void {
      const known = homes.get(tenant)
      if (known && known.cell !== cell && generation <= known.generation) {
        violate(
          'home',
          `cell ${cell} accepts home-only work of ${tenant} at generation ${generation}; so did ${known.cell} at ${known.generation}`,
        )
      }
      homes.set(tenant, { cell, generation })
    },

    /** Once a virtual second. */
    checkLimits(fleet: SimulatedFleet): void {
      const now = world.now()
      let areAllTold = true
      for (const { place, owner, shares } of fleet.routers.values()) {
        const { inForce } = shares
        if (!owner.isAlive || !inForce) {
          areAllTold = false
          continue
        }
        const ageMs = world.as(owner, () => performance.timeOrigin + performance.now()) - inForce.toldAt
        if (ageMs > SHARES_END_MS)
          violate('limits', `${place} holds shares that it was told ${Math.round(ageMs / 1000)} s ago`)
        const least = Math.min(1, ...inForce.cells.values(), ...inForce.tenants.values())
        if (least < shareFloor(inForce.routers))
          violate('limits', `${place} has a share of ${least} between ${inForce.routers} routers`)
        if (ageMs > SHARES_FRESH_MS || inForce.routers !== fleet.routers.size) areAllTold = false
      }
      const sum = sharesOf(fleet)
      const isOff = sum > 1 + FLOOR_SHARE + SHARES_TOLERATED || sum < 1 - SHARES_TOLERATED
      if (!areAllTold || !isOff || fleet.load.heavy !== QUIET_LOAD.heavy) sharesOffSince = null
      else sharesOffSince ??= now
      if (sharesOffSince !== null && now - sharesOffSince > SHARES_SETTLE_MS)
        violate('limits', `the routers' shares of a cap that is always reached come to ${sum.toFixed(2)}`)
    },

    /** Once a virtual second. */
    checkRouters(fleet: SimulatedFleet, isWhole: (a: Place, b: Place) => boolean): void {
      const now = world.now()
      for (const router of fleet.routers.values()) {
        const view = router.view()
        if (!router.owner.isAlive || !view) continue
        const { snapshot, fitness } = view
        const isUp = snapshot.cells.map(({ id }) => {
          const cell = fleet.cells.get(id)
          return cell?.isWell() === true && isWhole(router.place, id)
        })
        const barred = new Set<number>()
        const size = snapshot.shardSize
        // Nobody is stranded while no cell that could serve is out: nearly always, and without a look at every row.
        const isAnyMissed = isUp.some((up, index) => up && fitness[index] === 0)
        for (let row = 0; isAnyMissed && row < snapshot.buckets; row++) {
          let isReachable = false
          let hasUp = false
          let hasFit = false
          for (let place = row * size; place < (row + 1) * size; place++) {
            const index = snapshot.members[place]!
            if (fitness[index]! > 0) hasFit = true
            if (!isUp[index]) continue
            hasUp = true
            if (fitness[index]! > 0) isReachable = true
          }
          // When all are out the home is tried all the same.
          if (!hasFit && isUp[snapshot.members[row * size]!]) isReachable = true
          if (hasUp && !isReachable) barred.add(row)
        }
        for (const key of [...strandedSince.keys()]) {
          const [place, row] = key.split(' ')
          if (place === router.place && !barred.has(Number(row))) strandedSince.delete(key)
        }
        for (const row of barred) {
          const key = `${router.place} ${row}`
          const since = strandedSince.get(key)
          if (since === undefined) strandedSince.set(key, now)
          else if (now - since > CANDIDATE_GRACE_MS) {
            const ids = [...snapshot.members.subarray(row * size, (row + 1) * size)].map(
              (index) => snapshot.cells[index]!.id,
            )
            violate(
              'candidate',
              `${router.place} has had no way to bucket ${row} (${ids.join(', ')}) for ${Math.round((now - since) / 1000)} s, and one of its cells is up`,
            )
          }
        }
      }
    },
  }
}

/** What the routers' shares of the cap that is always reached come to. */
export function sharesOf(fleet: SimulatedFleet): number {
  const { tenant } = QUIET_LOAD.heavy
  let sum = 0
  for (const { shares } of fleet.routers.values()) sum += shares.inForce?.tenants.get(tenant) ?? 1
  return sum
}

const isOlder = (a: Version, b: Version) =>
  a.epoch < b.epoch || (a.epoch === b.epoch && a.version < b.version)
