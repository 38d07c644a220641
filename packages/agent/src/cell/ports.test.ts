import assert from 'node:assert/strict'
import { test } from 'node:test'
import { component } from '../testing-host.ts'
import { assignPorts } from './ports.ts'

test('a cell has ten ports by its slot: PostgreSQL’s, then its listening components’ in order', () => {
  const components = [
    component({ name: 'worker' }),
    component({ name: 'api', serves: true }),
    component({ name: 'admin', port: true }),
  ]
  const ports = assignPorts(7500, 3, components)
  assert.ok(ports.ok)
  assert.equal(ports.value.postgres, 7530)
  assert.deepEqual(
    [...ports.value.components],
    [
      ['api', 7531],
      ['admin', 7532],
    ],
  )
})

test('more listening components than ports, and ports that do not exist, are refused with the remedy', () => {
  const many = Array.from({ length: 10 }, (_, i) => component({ name: `c${i}`, port: true }))
  for (const [ports, code, remedy] of [
    [assignPorts(7500, 0, many), 'TOO_MANY_PORTS', /let 9 listen/],
    [assignPorts(7500, 6000, []), 'PORT_TOO_HIGH', /--cell-port-base/],
  ] as const) {
    assert.ok(!ports.ok)
    assert.equal(ports.problems[0]?.code, code)
    assert.match(ports.problems[0]!.message, remedy)
  }
})
