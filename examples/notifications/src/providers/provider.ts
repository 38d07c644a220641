/** The port to whoever carries messages to recipients. One adapter for each protocol; a channel has one provider. */
import type { Message } from '../notification/notification.ts'

/** What came of one attempt. `detail` is shown to the sender. */
export type SendResult =
  | { outcome: 'delivered'; detail: string }
  /** May work later. */
  | { outcome: 'failed'; detail: string; retryAfterMs?: number }
  /** Will never work: the provider refused this very message. */
  | { outcome: 'refused'; detail: string }

export type Provider = {
  /** Never rejects: what goes wrong is a result. Ends within a bound. `traceparent`: for a provider that follows traces, too. */
  send(message: Message, traceparent: string): Promise<SendResult>
  /** Lets go of pooled connections. */
  close(): void
}

/** Providers' answers are quoted in `detail`, up to here. */
const DETAIL_CHARACTERS_MAX = 300

export function detailOf(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, DETAIL_CHARACTERS_MAX)
}
