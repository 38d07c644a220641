/** docs/telemetry.md names every series of every process: whoever writes an alert or a dashboard looks there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './source-tree.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

/** Where series are made, how their names stand there, and what is put before them. */
const SOURCES = [
  {
    path: 'packages/router/src/admin/metrics-page.ts',
    shape: /\b(?:counter|gauge|histogram)\(\s*'([a-z0-9_]+)'/g,
    prefix: 'cellplane_router_',
  },
  {
    path: 'packages/control/src/metrics.ts',
    shape: /\bgauge\(\s*'([a-z0-9_]+)'/g,
    prefix: 'cellplane_control_',
  },
  {
    path: 'packages/control/src/metrics.ts',
    shape: /\btenantGauge\(\s*'([a-z0-9_]+)'/g,
    prefix: 'cellplane_tenant_recent_',
  },
  ...[
    'packages/control/src/metrics.ts',
    'packages/cell/src/observing/metrics.ts',
    'examples/notifications/src/api/main.ts',
    'examples/notifications/src/worker/main.ts',
  ].map((path) => ({ path, shape: /\bname: '([a-z0-9]+_[a-z0-9_]+)'/g, prefix: '' })),
]

test('docs/telemetry.md names every series, and none that is not there', () => {
  const made = SOURCES.flatMap(({ path, shape, prefix }) => {
    const names = [...read(path).matchAll(shape)].map(([, name]) => prefix + name)
    assert.ok(names.length > 0, `${path} has no series in the form that is looked for`)
    return names
  })
  const named = [
    ...read('docs/telemetry.md').matchAll(/^\| `([a-z0-9_]+)` \| (?:counter|gauge|histogram) /gm),
  ]
  assert.deepEqual(
    named.map(([, name]) => name).sort(),
    [...new Set(made)].sort(),
    'a row of docs/telemetry.md for each series, and a series for each row',
  )
})
