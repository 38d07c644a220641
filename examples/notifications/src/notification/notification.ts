/** What a notification is, to its sender, to the store and to the worker. */

export const CHANNELS = ['email', 'sms', 'push'] as const
export type Channel = (typeof CHANNELS)[number]

/**
 * queued ──▶ delivered
 *   │ ▲ └──▶ dead_letter   refused by the provider, or every attempt failed
 *   ▼ │  └─▶ expired       `deliver_before` passed first
 * retrying
 */
export type Status = 'queued' | 'retrying' | 'delivered' | 'dead_letter' | 'expired'

/** As it goes to a provider: texts are final. */
export type Message = {
  channel: Channel
  to: string
  /** The subject of an e-mail, the title of a push message. */
  subject: string | null
  body: string
  /** The same for each attempt, and for each cell that accepted the same Idempotency-Key. */
  deliveryKey: string
}
