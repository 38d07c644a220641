import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { DEFAULT_SLOS } from '../slo.ts'
import { parseOpenSlo } from './open-slo.ts'

const of = (requests: object) => ({ metricSource: { type: 'cellplane', spec: requests } })

function documentOf(name: string, good: object, target: number, more: object = {}): object {
  return {
    apiVersion: 'openslo/v1',
    kind: 'SLO',
    metadata: { name },
    spec: {
      service: 'notifications',
      indicator: { spec: { ratioMetric: { counter: true, good: of(good), total: of({ requests: 'all' }) } } },
      timeWindow: [{ duration: '30d', isRolling: true }],
      budgetingMethod: 'Occurrences',
      objectives: [{ target }],
      ...more,
    },
  }
}

const file = (...documents: object[]) => documents.map((one) => `---\n${stringify(one)}`).join('')

const pathsOf = (source: string): string[] => {
  const read = parseOpenSlo(source)
  assert.ok(!read.ok)
  return read.problems.map(({ path }) => path)
}

describe('an OpenSLO file', () => {
  test('says what a fleet file says inline', () => {
    const read = parseOpenSlo(
      file(
        documentOf('availability', { requests: 'good' }, 0.999),
        documentOf('latency', { requests: 'within', ms: 1000 }, 0.99),
        documentOf('room', { requests: 'below', share: 0.9 }, 0.99),
      ),
    )
    assert.ok(read.ok)
    assert.deepEqual(read.value, [
      ...DEFAULT_SLOS,
      { name: 'room', indicator: 'saturation', threshold_share: 0.9, target: 0.99, period: '30d' },
    ])
  })
  test('is refused with the place in the document that is to blame', () => {
    const target = documentOf('a', { requests: 'good' }, 1.5)
    const period = documentOf('b', { requests: 'good' }, 0.9, {
      timeWindow: [{ duration: '90d', isRolling: true }],
    })
    const threshold = documentOf('c', { requests: 'within', ms: 7 }, 0.9)
    const fullness = documentOf('d', { requests: 'below', share: 0.85 }, 0.9)
    assert.deepEqual(pathsOf(file(target, period, threshold, fullness)), [
      '[0].spec.objectives[0].target',
      '[1].spec.timeWindow[0].duration',
      '[2].spec.indicator.spec.ratioMetric.good.metricSource.spec.ms',
      '[3].spec.indicator.spec.ratioMetric.good.metricSource.spec.share',
    ])
  })
  test('with a threshold between the bounds of what is counted is told the bounds', () => {
    const read = parseOpenSlo(file(documentOf('a', { requests: 'below', share: 0.85 }, 0.9)))
    assert.ok(!read.ok)
    assert.equal(read.problems[0]!.message, 'found 0.85; expected 0.5 or 0.6 or 0.7 or 0.8 or 0.9 or 1')
  })
  test('that asks for what is not reckoned here is refused, and not half understood', () => {
    const slices = documentOf('a', { requests: 'good' }, 0.9, { budgetingMethod: 'Timeslices' })
    const policies = documentOf('b', { requests: 'good' }, 0.9, { alertPolicies: [] })
    assert.deepEqual(pathsOf(file(slices, policies)), ['[0].spec.budgetingMethod', '[1].spec.alertPolicies'])
  })
  test('that is no YAML, empty or too long is refused', () => {
    assert.deepEqual(pathsOf('a: [1'), ['[0]'])
    assert.deepEqual(pathsOf(''), [''])
    assert.deepEqual(pathsOf('#'.repeat(70_000)), [''])
  })
})
