/**
 * A clock that goes as fast as it is told. Routers read theirs from `performance`, the control plane's parts are handed one;
 * both read this.
 */
const REAL_NOW = performance.now

export type VirtualClock = {
  /** Ms since the epoch. */
  now(): number
  advance(ms: number): void
  /** Gives `performance` its own clock back. */
  restore(): void
}

export function takeClockOver(): VirtualClock {
  let elapsedMs = REAL_NOW.call(performance)
  performance.now = () => elapsedMs
  return {
    now: () => performance.timeOrigin + elapsedMs,
    advance(ms) {
      elapsedMs += ms
    },
    restore() {
      performance.now = REAL_NOW
    },
  }
}
