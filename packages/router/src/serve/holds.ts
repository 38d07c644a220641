/**
 * Requests that wait in memory while their tenant's home is switched, so that nobody sees the switch but as a pause.
 *
 *     waiting ──(the tenant is held no longer)──▶ going on ──(an answer begins)──▶ over
 *        ├──(its client leaves)─────────────────────────────────────────────────▶
 *        └──(held for too long, no room, the router stops)──▶ refused ──────────▶
 *
 * Each tenant has a queue. Once the topology holds the tenant no longer, or the hold's own time has come, its requests go
 * on in the order in which they came, by the route of that moment: a few at a time, and only into the room that their new
 * home has, since a hundred at once would be turned away by the ceiling that they waited for. Until the queue is empty
 * what comes new joins its end, or it would overtake.
 *
 * At first they leave room to those who did not wait. But a home may stay as full as that for ever, so soon they take what
 * anybody may, and one whose time is up goes on as if it had just come: the cell's ceiling lets it in, or its answer says
 * that the cell is full.
 *
 * What waits is bounded by number, for the process and for a tenant (`waiting-room.ts`), by bytes and by time. So an
 * overlay that holds a tenant wrongly costs that tenant an answer of 503, and no one else anything.
 */
import { monotonicNow } from '../clock.ts'
import type { RouterLimits } from '../config.ts'
import { hasRoomAtCell } from '../decision/admission.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { shardIn, type Tenant } from '../decision/tenants.ts'
import type { Deadlines } from './deadlines.ts'
import type { Refusal } from './refusal.ts'
import type { WaitingRoom } from './waiting-room.ts'

export type HeldRequest = {
  /** Sends it where the current view says. Does not throw. */
  goOn(): void
  /** Answers it instead. Does not throw. */
  giveUp(refusal: Refusal): void
}

/** A request's place in its tenant's queue. */
export type Hold = {
  readonly request: HeldRequest
  readonly queue: Queue
  readonly deadline: number
  bytes: number
  state: 'waiting' | 'going-on' | 'over'
}

type Queue = {
  readonly tenant: Tenant
  /** In the order in which they came. */
  readonly waiting: Set<Hold>
  /** Requests that went on and have no answer yet. */
  underWay: number
  /** When the tenant was last seen to be held. */
  heldAt: number
  isMoving: boolean
}

export const HOLD_OUTCOMES = ['sent', 'no-room', 'time-is-up', 'client-left', 'stopped'] as const
export type HoldOutcome = (typeof HOLD_OUTCOMES)[number]

export type HoldCounts = {
  /** Requests that wait now, of so many tenants, with so many bytes. */
  readonly waiting: number
  readonly tenants: number
  readonly bytes: number
  /** What became of those that waited, or should have, since the process started. */
  readonly outcomes: Readonly<Record<HoldOutcome, number>>
}

export type Holds = HoldCounts & {
  /** Whether a new request of the tenant has to wait. */
  mustWait(view: RoutingView, tenant: Tenant): boolean
  /** Null when there is no room, or no time left: the router stops. */
  add(request: HeldRequest, tenant: Tenant, bytes: number): Hold | null
  /** More of the request has come. False when there is no room for it; its place is then free. */
  grow(hold: Hold, bytes: number): boolean
  /** The request has an answer, or needs none. May be called again. */
  end(hold: Hold): void
  /** The topology has changed. */
  onTopology(): void
  stop(): void
}

export type HoldsOptions = {
  limits: Pick<RouterLimits, 'hold_timeout_ms' | 'held_bytes_max'>
  room: WaitingRoom
  deadlines: Deadlines
  currentView(): RoutingView | null
}

/** Of a tenant, after its hold: enough to use a home whose answers take milliseconds, little enough not to flood it. */
const UNDER_WAY_MAX = 16

/** Of the home's ceilings, what they may fill at first: the rest is for those who did not wait. */
const FIRST_ROOM_SHARE = 0.5

/** For so long after the hold: a queue of a few hundred is gone by then where answers take milliseconds. */
const FIRST_MS = 1_000

export const HELD: Refusal = {
  code: 'TENANT_HELD',
  detail:
    'the home of this tenant is being switched, and this request could not wait for it; nothing was sent',
}

const newQueue = (tenant: Tenant, now: number): Queue => ({
  tenant,
  waiting: new Set(),
  underWay: 0,
  heldAt: now,
  isMoving: false,
})

export function createHolds({ limits, room, deadlines, currentView }: HoldsOptions): Holds {
  /** By the tenant's key: a tenant that was forgotten meanwhile is another object. */
  const queues = new Map<string, Queue>()
  const outcomes: Record<HoldOutcome, number> = {
    sent: 0,
    'no-room': 0,
    'time-is-up': 0,
    'client-left': 0,
    stopped: 0,
  }
  let waiting = 0
  let bytes = 0
  let isStopped = false
  // Looked at in each round while anybody waits.
  const watched = { deadline: Number.POSITIVE_INFINITY, onDeadline: () => tick(), destroy() {} }
  deadlines.watch(watched)

  const isHeld = (view: RoutingView, { key }: Tenant, now: number) => (view.held.until.get(key) ?? 0) > now

  function takeOut(hold: Hold, outcome: HoldOutcome): void {
    const { queue } = hold
    hold.state = outcome === 'sent' ? 'going-on' : 'over'
    queue.waiting.delete(hold)
    if (queue.waiting.size === 0) queues.delete(queue.tenant.key)
    waiting--
    room.leave(queue.tenant.key)
    bytes -= hold.bytes
    outcomes[outcome]++
    if (waiting === 0) watched.deadline = Number.POSITIVE_INFINITY
  }

  function giveUp(hold: Hold, outcome: HoldOutcome): void {
    takeOut(hold, outcome)
    hold.request.giveUp(HELD)
  }

  function goOn(hold: Hold): void {
    takeOut(hold, 'sent')
    hold.queue.underWay++
    hold.request.goOn()
  }

  /** Whether the hold is over. */
  function isReleased(queue: Queue, now: number): boolean {
    const view = currentView()
    if (view && !isHeld(view, queue.tenant, now)) return true
    queue.heldAt = now
    return false
  }

  /** Whether one more fits beside what the tenant and its home have under way. The hold is over. */
  function hasRoom({ tenant, underWay, heldAt }: Queue, now: number): boolean {
    const view = currentView()!
    const share = now - heldAt < FIRST_MS ? FIRST_ROOM_SHARE : 1
    return underWay < UNDER_WAY_MAX && hasRoomAtCell(view.cells[shardIn(view, tenant).home]!, share, now)
  }

  /** Lets as many go on as may. */
  function move(queue: Queue, now: number): void {
    if (queue.isMoving) return
    // A request that goes on may be over at once, and comes back here: the loop sees to the next one.
    queue.isMoving = true
    for (const hold of queue.waiting) {
      if (!isReleased(queue, now) || !hasRoom(queue, now)) break
      goOn(hold)
    }
    queue.isMoving = false
  }

  function tick(): void {
    const now = monotonicNow()
    for (const queue of [...queues.values()]) {
      for (const hold of queue.waiting) {
        // Each waits as long as the one before it.
        if (hold.deadline > now) break
        if (isReleased(queue, now)) goOn(hold)
        else giveUp(hold, 'time-is-up')
      }
      move(queue, now)
    }
  }

  return {
    get waiting() {
      return waiting
    },
    get tenants() {
      return queues.size
    },
    get bytes() {
      return bytes
    },
    outcomes,
    mustWait(view, tenant) {
      if (view.held.until.size === 0 && waiting === 0) return false
      return tenant.isTenant && (queues.has(tenant.key) || isHeld(view, tenant, monotonicNow()))
    },
    add(request, tenant, initialBytes) {
      const now = monotonicNow()
      const queue = queues.get(tenant.key) ?? newQueue(tenant, now)
      const isFull = () => bytes + initialBytes > limits.held_bytes_max || !room.enter(tenant.key)
      if (isStopped || isFull()) {
        outcomes[isStopped ? 'stopped' : 'no-room']++
        return null
      }
      const deadline = now + limits.hold_timeout_ms
      const hold: Hold = { request, queue, deadline, bytes: initialBytes, state: 'waiting' }
      queues.set(tenant.key, queue)
      queue.waiting.add(hold)
      waiting++
      bytes += initialBytes
      watched.deadline = 0
      return hold
    },
    grow(hold, more) {
      if (hold.state !== 'waiting') return true
      if (bytes + more > limits.held_bytes_max) {
        takeOut(hold, 'no-room')
        return false
      }
      hold.bytes += more
      bytes += more
      return true
    },
    end(hold) {
      if (hold.state === 'waiting') return takeOut(hold, 'client-left')
      if (hold.state === 'over') return
      hold.state = 'over'
      hold.queue.underWay--
      move(hold.queue, monotonicNow())
    },
    onTopology() {
      const now = monotonicNow()
      for (const queue of [...queues.values()]) move(queue, now)
    },
    stop() {
      isStopped = true
      for (const queue of [...queues.values()]) {
        for (const hold of queue.waiting) giveUp(hold, 'stopped')
      }
      deadlines.forget(watched)
    },
  }
}
