/**
 * Requests for a record whose cell the tenant does not have yet, as this router knows it.
 *
 * A new base goes to one router first, and a cell that is new to a tenant may give out ids there before the other routers have
 * that base. To them such an id is a stranger's, and its read would be answered 404 by a cell that knows nothing of it. But
 * every overlay names its base, and the control plane shows the overlay of a coming base to all before it shows the base to
 * one. So a router knows that one is under way; until it is here, and for a few seconds at most, such a request waits, and
 * then goes where the view of that moment says.
 *
 * Bounded in number, for the process and for a tenant, and in time; without room, or when the time is up, it is routed by what
 * is known. A base that is watched for longer than that, or that this router refuses, is still expected: each such request then
 * waits its time, and in vain.
 */
import { monotonicNow } from '../clock.ts'
import type { RouterLimits } from '../config.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import type { Deadlines } from './deadlines.ts'
import type { WaitingRoom } from './waiting-room.ts'

export type BaseWaits = {
  /** Resolves when another base is followed, or the time is up. Null: none is under way, or there is no room for the tenant. */
  untilNext(view: RoutingView, tenant: string): Promise<void> | null
  /** The topology has changed. */
  onTopology(): void
  stop(): void
}

export type BaseWaitsOptions = {
  limits: Pick<RouterLimits, 'hold_timeout_ms'>
  room: WaitingRoom
  deadlines: Deadlines
  currentView(): RoutingView | null
}

type Waiting = { view: RoutingView; tenant: string; deadline: number; goOn: () => void }

export function createBaseWaits({ limits, room, deadlines, currentView }: BaseWaitsOptions): BaseWaits {
  /** In the order in which they came, and so by their deadlines. */
  const waiting = new Set<Waiting>()
  let isStopped = false
  const watched = { deadline: Number.POSITIVE_INFINITY, onDeadline: () => expire(), destroy() {} }
  deadlines.watch(watched)

  function release(one: Waiting): void {
    waiting.delete(one)
    room.leave(one.tenant)
    if (waiting.size === 0) watched.deadline = Number.POSITIVE_INFINITY
    one.goOn()
  }

  function expire(): void {
    const now = monotonicNow()
    for (const one of waiting) {
      if (one.deadline > now) return
      release(one)
    }
  }

  return {
    untilNext(view, tenant) {
      if (isStopped || !view.isBaseDue || !room.enter(tenant)) return null
      return new Promise((resolve) => {
        waiting.add({ view, tenant, deadline: monotonicNow() + limits.hold_timeout_ms, goOn: resolve })
        // Looked at in each round while anybody waits.
        watched.deadline = 0
      })
    },
    onTopology() {
      const snapshot = currentView()?.snapshot
      for (const one of waiting) if (one.view.snapshot !== snapshot) release(one)
    },
    stop() {
      isStopped = true
      for (const one of waiting) release(one)
      deadlines.forget(watched)
    },
  }
}
