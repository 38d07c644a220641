/** The notification service, as its customers use it. */
export { NotificationsError } from './client/call.ts'
export {
  type Channel,
  type ClientOptions,
  type DeliveryAttempt,
  type NewMessage,
  type NotificationList,
  type NotificationSummary,
  NotificationsClient,
  type SentNotification,
} from './client/notifications-client.ts'
export type { Template } from './client/template-id.ts'
