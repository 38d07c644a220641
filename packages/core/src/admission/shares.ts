/**
 * A limit divided between router processes.
 *
 * A limit belongs to the fleet, requests arrive at R routers, and none of them asks another before it answers. So each is
 * given a share of the limit, by what arrived where. Three things are wanted, and all three hold for as long as what
 * arrives stays as it was measured:
 *
 *   - what all routers let through is min(the limit, what arrives): neither more, nor less;
 *   - a caller whose requests all come by one router has the whole limit there;
 *   - each router has a floor, FLOOR_SHARE / R, for what no measurement foresaw.
 *
 * The floors are therefore lent and not set aside: a router that uses none of its floor takes nothing from the others. The
 * shares of a limit that is reached add up to 1 while each router uses its floor, and never to more than 1 + FLOOR_SHARE:
 * by so much it can be exceeded when traffic appears where there was none, until the next division.
 *
 * Below the limit there is nothing to hold back, and a caller that moves to another router (its own was restarted) should
 * not be refused there. So the division tightens with the load: up to WHOLE_UP_TO every router has the whole limit, and
 * from there to a load of 1 the shares go in a straight line to what is said above.
 *
 * Arrivals count whether or not they were let through. Admissions would not do: a share that follows what it let through
 * itself confirms itself.
 */

/** Of a limit, for all routers together. What a caller can always use where it was not expected; see above for the price. */
export const FLOOR_SHARE = 0.2

/** Of the limit. Between two rounds a load can double before the limit is exceeded. */
export const WHOLE_UP_TO = 0.5

/** No router's share of a limit is less, when `routers` divide it. */
export function shareFloor(routers: number): number {
  return FLOOR_SHARE / routers
}

/**
 * @param arrivals of each router, per second or of any other time: only how they relate to each other counts
 * @param load all that arrives, of the limit: 2 when twice as much arrives as may pass
 * @returns a share for each router, 0 to 1, in the order of the arrivals
 */
export function divideLimit(arrivals: readonly number[], load: number): number[] {
  const tightness = Math.min(1, Math.max(0, (load - WHOLE_UP_TO) / (1 - WHOLE_UP_TO)))
  return divideFully(arrivals, load).map((share) => share + (1 - share) * (1 - tightness))
}

function divideFully(arrivals: readonly number[], load: number): number[] {
  const routers = arrivals.length
  const floor = shareFloor(routers)
  const total = arrivals.reduce((sum, count) => sum + count, 0)
  const shares = new Array<number>(routers).fill(1 / routers)
  if (!(total > 0)) return shares
  // Smallest first: whoever gets the floor, and how much of it is used, is known before the rest is divided.
  const order = shares.map((_, router) => router).sort((a, b) => arrivals[a]! - arrivals[b]!)
  let limitLeft = 1
  let arrivalsLeft = total
  for (const router of order) {
    const count = arrivals[router]!
    const portion = (limitLeft * count) / arrivalsLeft
    if (portion >= floor) {
      shares[router] = Math.min(1, portion)
    } else {
      shares[router] = floor
      limitLeft -= Math.min(floor, (load * count) / total)
      arrivalsLeft -= count
    }
  }
  return shares
}

/** What a router holds on to a share for, when it hears nothing new. */
export type ShareHold = {
  /** The share is kept for so long. */
  heldMs: number
  /** And then rises to the whole limit in so long. */
  riseMs: number
}

/**
 * A share that was given `ageMs` ago. Whoever hears nothing does not know who else is there; alone, each router protects
 * a cell with the whole limit.
 */
export function agedShare(share: number, ageMs: number, { heldMs, riseMs }: ShareHold): number {
  const risen = Math.min(1, Math.max(0, (ageMs - heldMs) / riseMs))
  return share + (1 - share) * risen
}
