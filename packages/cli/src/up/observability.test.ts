import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  observabilityOfAgent,
  observabilityOfControl,
  observabilityOfRouter,
  observabilityWith,
} from './observability.ts'

const NOTHING = { metrics: 'embedded' as const, alert_webhooks: [] }
const TRACES = { otlp_url: 'http://127.0.0.1:4318/v1/traces', sample_share: 0.2 }
const DECLARED = {
  metrics: 'prometheus' as const,
  prometheus: { url: 'http://127.0.0.1:9090', token_file: 'keys/prometheus.token' },
  traces: TRACES,
  alert_webhooks: [{ url: 'https://a.test/' }, { url: 'https://b.test/', token_file: '/etc/b.token' }],
}

test('what is not declared stands in no configuration', () => {
  assert.deepEqual(observabilityOfControl(NOTHING, '/shop'), { alert_webhooks: [] })
  assert.deepEqual(observabilityOfRouter(NOTHING), {})
  assert.deepEqual(observabilityOfAgent(NOTHING), {})
})

test('token files are found from the fleet file’s folder, whatever the process’s own is', () => {
  assert.deepEqual(observabilityOfControl(DECLARED, '/shop'), {
    alert_webhooks: [{ url: 'https://a.test/' }, { url: 'https://b.test/', token_file: '/etc/b.token' }],
    prometheus: { url: 'http://127.0.0.1:9090', token_file: '/shop/keys/prometheus.token' },
  })
})

test('routers get the receiver and the share; cells the receiver alone', () => {
  assert.deepEqual(observabilityOfRouter(DECLARED), { traces: TRACES })
  assert.deepEqual(observabilityOfAgent(DECLARED), { traces: { otlp_url: TRACES.otlp_url } })
})

test('flags stand in for what is declared, and keep every trace', () => {
  const flags = { traces: 'http://127.0.0.1:5000/', alertWebhook: 'http://127.0.0.1:5001/' }
  assert.deepEqual(observabilityWith(DECLARED, flags), {
    ...DECLARED,
    traces: { otlp_url: 'http://127.0.0.1:5000/', sample_share: 1 },
    alert_webhooks: [{ url: 'http://127.0.0.1:5001/' }],
  })
  assert.deepEqual(observabilityWith(DECLARED, {}), DECLARED)
})
