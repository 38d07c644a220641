/**
 * The fleet file's section `observability`, as each process is told of it. Token files are named relative to the fleet
 * file there; processes have folders of their own, so they get whole paths. What is in them nobody here reads.
 */
import { resolve } from 'node:path'
import type { FleetFile } from '@cellplane/contract/fleet-file'

export type ObservabilityFlags = {
  /** A receiver of spans. */
  traces?: string
  alertWebhook?: string
}

type Observability = FleetFile['observability']
type Receiver = { url: string; token_file?: string | undefined }

/** With a flag, whoever tries something out wants to see all of it, and there alone. */
export function observabilityWith(
  declared: Observability,
  { traces, alertWebhook }: ObservabilityFlags,
): Observability {
  return {
    ...declared,
    ...(traces === undefined ? {} : { traces: { otlp_url: traces, sample_share: 1 } }),
    ...(alertWebhook === undefined ? {} : { alert_webhooks: [{ url: alertWebhook }] }),
  }
}

export function observabilityOfControl({ prometheus, alert_webhooks }: Observability, directory: string) {
  const located = ({ url, token_file: file }: Receiver) => ({
    url,
    ...(file === undefined ? {} : { token_file: resolve(directory, file) }),
  })
  return {
    alert_webhooks: alert_webhooks.map(located),
    ...(prometheus === undefined ? {} : { prometheus: located(prometheus) }),
  }
}

export const observabilityOfRouter = ({ traces }: Observability) => (traces === undefined ? {} : { traces })

/** Routers choose which traces are kept, and cells do as they say. */
export const observabilityOfAgent = ({ traces }: Observability) =>
  traces === undefined ? {} : { traces: { otlp_url: traces.otlp_url } }
