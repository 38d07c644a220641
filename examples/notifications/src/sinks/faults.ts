/** Faults on order, so that a person or a test can see what the service does about them. */

/**
 * `unavailable`: refused for now. `reject`: refused for ever. `hang`: never answered. `lost-answer`: taken, but the sender
 * does not hear so.
 */
export const FAULT_KINDS = ['unavailable', 'reject', 'hang', 'lost-answer'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export type FaultOrder = { kind: FaultKind; count: number }

export type Faults = {
  /** The next `count` deliveries meet this fault; replaces the order before. 0 heals. */
  order(order: FaultOrder): void
  /** The fault for this delivery, if any; counts it down. */
  next(): FaultKind | undefined
  current(): FaultOrder
}

export const FAULTS_MAX = 1_000_000

export function createFaults(): Faults {
  let current: FaultOrder = { kind: 'unavailable', count: 0 }
  return {
    order(order) {
      current = { ...order }
    },
    next() {
      if (current.count === 0) return undefined
      current.count--
      return current.kind
    },
    current: () => ({ ...current }),
  }
}
