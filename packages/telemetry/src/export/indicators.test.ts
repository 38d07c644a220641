/** The sums of an indicator as the real PromQL sees them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { run, whyNoPrograms, writeFolder } from './fixtures/programs.ts'
import { indicatorOf } from './indicators.ts'

const LATENCY = { indicator: 'latency', threshold_ms: 250 } as const

/** A minute of 60 requests at each of two cells, of which so many were in time; of the second some buckets were dropped. */
function seriesOf(cell: string, buckets: Record<string, number>) {
  const labels = `fleet="shop",router="router-1",cell="${cell}"`
  const series = 'cellplane_router_request_duration_seconds'
  const put = (name: string, perMinute: number) => ({ series: name, values: `0+${perMinute}x10` })
  return [
    put(`${series}_count{${labels}}`, 60),
    ...Object.entries(buckets).map(([le, count]) => put(`${series}_bucket{${labels},le="${le}"}`, count)),
  ]
}

describe('the bad ones of a histogram', { skip: whyNoPrograms() ?? false }, () => {
  test('are those above the threshold’s bucket, and all of them where that was dropped on the way', (t) => {
    const { bad } = indicatorOf('shop', LATENCY)
    const files = {
      'rules.yml': { groups: [{ name: 'bad', rules: [{ record: 'bad', expr: bad('increase', '5m') }] }] },
      'test.yml': {
        rule_files: ['rules.yml'],
        tests: [
          {
            interval: '1m',
            input_series: [
              ...seriesOf('whole', { 0.1: 30, 0.25: 54, '+Inf': 60 }),
              ...seriesOf('dropped', { 0.1: 30, '+Inf': 60 }),
            ],
            promql_expr_test: [
              {
                expr: 'bad',
                eval_time: '10m',
                exp_samples: [
                  { labels: 'bad{cell="whole"}', value: 30 },
                  { labels: 'bad{cell="dropped"}', value: 300 },
                ],
              },
            ],
          },
        ],
      },
    }
    const { folder, remove } = writeFolder(
      new Map(Object.entries(files).map(([path, content]) => [path, JSON.stringify(content)])),
    )
    t.after(remove)
    const { ok, text } = run('promtool', ['test', 'rules', 'test.yml'], folder)
    assert.ok(ok, text)
  })
})
