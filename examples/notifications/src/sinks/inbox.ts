/**
 * What has arrived, over all channels, deduplicated as a provider does: by the key that came with each delivery.
 *
 * The last messages are kept to be looked at; the counts are of everything. Keys are remembered up to a bound, like a provider's
 * window; within it the count of unique messages is exact. With a journal the keys survive a restart.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Channel } from '../notification/notification.ts'

export type Arrival = { channel: Channel; key: string; to: string; title: string; text: string }
export type ShownMessage = Arrival & { at: string }
export type Counts = {
  deliveries: number
  unique: number
  duplicates: number
  by_channel: Record<Channel, number>
}

export type Inbox = {
  /** Says whether the same key has arrived before; such a delivery is counted and not shown. */
  take(arrival: Arrival): 'first' | 'duplicate'
  counts(): Counts
  /** Newest first. */
  messages(limit: number): ShownMessage[]
  keys(): Iterable<string>
}

/** Some 5 MB with their texts cut. */
export const MESSAGES_MAX = 10_000
const TEXT_CHARACTERS_MAX = 500
/** Some 30 MB. */
export const KEYS_MAX = 200_000

/** `journal` is a file with one unique key a line; what is in it counts as arrived. */
export function createInbox(journal: string | undefined, clock: () => Date = () => new Date()): Inbox {
  const keys = new Set(journal && existsSync(journal) ? linesOf(journal).slice(-KEYS_MAX) : [])
  /** A ring: the oldest is overwritten by the newest. */
  const ring: ShownMessage[] = []
  let shown = 0
  let deliveries = keys.size
  let unique = keys.size
  const byChannel: Record<Channel, number> = { email: 0, sms: 0, push: 0 }

  return {
    take(arrival) {
      deliveries++
      if (keys.has(arrival.key)) return 'duplicate'
      if (journal) appendFileSync(journal, `${arrival.key}\n`)
      if (keys.size >= KEYS_MAX) keys.delete(keys.values().next().value!)
      keys.add(arrival.key)
      unique++
      byChannel[arrival.channel]++
      const text = arrival.text.slice(0, TEXT_CHARACTERS_MAX)
      ring[shown++ % MESSAGES_MAX] = { ...arrival, text, at: clock().toISOString() }
      return 'first'
    },
    counts: () => ({ deliveries, unique, duplicates: deliveries - unique, by_channel: { ...byChannel } }),
    messages(limit) {
      const count = Math.min(limit, shown, MESSAGES_MAX)
      return Array.from({ length: count }, (_, i) => ring[(shown - 1 - i) % MESSAGES_MAX]!)
    },
    keys: () => keys,
  }
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}
