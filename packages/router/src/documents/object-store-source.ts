/**
 * A configured object store, as the follower sees it: opened when it is needed for the first time (what signs requests is not
 * loaded before), looked at one look at a time, and what went wrong kept for the operator.
 */
import type { StoreAccess } from '@cellplane/object-store'
import { monotonicNow } from '../clock.ts'
import type { Logger } from '../log.ts'
import type { StoreReader, StoreReaderOptions } from './object-store.ts'

export type FollowedStore = {
  access: StoreAccess
  /** The least time between two looks beside a control plane, and about the time between two without one. */
  pollMs: number
  /** How long the control plane has given no base by then. A router that has none does not wait for that. */
  afterMs: number
}

export type StoreState = {
  /** When it last answered, ms since the epoch; null before it did. */
  seenAt: number | null
  /** Looks that came to nothing: it could not be asked, or did not give what its pointer names. */
  failures: number
  /** Why the last look came to nothing; null after one that did not. */
  failure: string | null
}

export type StoreSource = {
  readonly state: Readonly<StoreState>
  /** Never rejects. While a look is under way it is that one. */
  look(): Promise<void>
  /** Resolves when nothing of it is under way. */
  idle(): Promise<void>
}

export function createStoreSource(options: StoreReaderOptions, log: Logger): StoreSource {
  const state: StoreState = { seenAt: null, failures: 0, failure: null }
  let reader: StoreReader | null = null
  let underWay: Promise<void> | null = null

  async function ask(): Promise<string> {
    try {
      reader ??= (await import('./object-store.ts')).createStoreReader(options)
      return await reader.look()
    } catch (error) {
      return (error as Error).message
    }
  }

  async function lookOnce(): Promise<void> {
    const why = await ask()
    underWay = null
    if (options.signal.aborted) return
    if (why === '') {
      state.seenAt = monotonicNow()
      state.failure = null
      return
    }
    // Once, not at every look.
    if (state.failure === null)
      log.warn('the object store does not give the topology; routing goes on', { why })
    state.failures++
    state.failure = why
  }

  return {
    state,
    look() {
      underWay ??= lookOnce()
      return underWay
    },
    async idle() {
      await Promise.all([underWay, reader?.idle()])
    },
  }
}
