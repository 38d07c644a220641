/**
 * What spans of the queue's two ends say, by OpenTelemetry's conventions for messaging. Each attempt of the worker is a
 * child of what put the notification into the queue: it is about that one alone, though attempts are leased in batches.
 */
import type { SpanAbout } from '@cellplane/cell/process'
import type { Channel } from '../notification/notification.ts'

export type Queued = { tenant: string; id: string; channel: Channel }

export function queueSpan(
  operation: 'send' | 'process',
  { tenant, id, channel }: Queued,
  parent: string | null,
): SpanAbout {
  return {
    name: `${operation} delivery`,
    kind: operation === 'send' ? 'producer' : 'consumer',
    parent,
    attributes: {
      'messaging.system': 'postgresql',
      'messaging.operation.type': operation,
      'messaging.destination.name': 'delivery',
      'messaging.message.id': id,
      'notifications.channel': channel,
      'cellplane.tenant': tenant,
    },
  }
}
