/**
 * Where a fleet's metrics, spans and alerts go. Nothing has to be given: the control plane keeps metrics and evaluates
 * objectives by itself, and without a receiver there are no spans.
 *
 * Secrets are in files that are named here: the fleet file is kept in version control, and shown.
 */
import * as v from 'valibot'
import { type Problem, problem } from '../problem.ts'
import { about, between, list, receiverBaseUrl, receiverUrl, strictObject, text } from '../schema/index.ts'

const tokenFile = v.optional(
  about(text(1, 1024), 'A bearer token, on one line. The path is relative to the fleet file.'),
)

const prometheusSchema = strictObject({
  url: about(
    receiverBaseUrl,
    'A Prometheus that scrapes this fleet, or what answers as one: http://127.0.0.1:9090.',
  ),
  token_file: tokenFile,
})

export const tracesSchema = strictObject({
  otlp_url: about(
    receiverUrl,
    'Where routers and cells send spans, the whole URL: http://127.0.0.1:4318/v1/traces. OTLP over HTTP, as JSON.',
  ),
  sample_share: v.optional(
    about(
      between(0, 1),
      'Of the traces that begin at a router. A client’s own are kept as it says, and failures always.',
    ),
    0.01,
  ),
})

const alertWebhookSchema = strictObject({ url: receiverUrl, token_file: tokenFile })

/** Each is told of everything, and tried again by itself; more is for an Alertmanager to do. */
export const ALERT_WEBHOOKS_MAX = 4

export const observabilitySchema = strictObject({
  metrics: v.optional(
    about(
      v.picklist(['embedded', 'prometheus']),
      'Where objectives, reports and `cellplane top` read: what the control plane keeps itself, or a Prometheus.',
    ),
    'embedded',
  ),
  prometheus: v.optional(about(prometheusSchema, 'With `metrics: prometheus`, and only then.')),
  traces: v.optional(about(tracesSchema, 'Left out: no spans.')),
  alert_webhooks: v.optional(
    about(
      list(alertWebhookSchema, 0, ALERT_WEBHOOKS_MAX),
      'Who is told of each cell’s alerts, in the form of Alertmanager’s webhooks.',
    ),
    [],
  ),
})

export type Observability = v.InferOutput<typeof observabilitySchema>

/** A Prometheus that is given and not asked would be taken for the one that is. */
export function checkObservability({ metrics, prometheus }: Observability): Problem[] {
  if ((metrics === 'prometheus') === (prometheus !== undefined)) return []
  const [path, why] =
    metrics === 'prometheus'
      ? ['observability.prometheus', 'found nothing; with "metrics: prometheus" expected its URL']
      : [
          'observability.metrics',
          'found embedded beside "prometheus"; say "metrics: prometheus", or drop that section',
        ]
  return [problem('INVALID_VALUE', path!, why!)]
}
