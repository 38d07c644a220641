import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetStatus } from '@cellplane/contract/api'
import { formatStatus } from './status.ts'

const cell = (slot: number, state: FleetStatus['cells'][number]['state']): FleetStatus['cells'][number] => ({
  ...{ id: `cell-00${slot}`, slot, role: 'serving', zone: 'a', state, health: 'healthy', reason: '' },
  ...{ endpoint: null, undelivered: 0, problem: null },
})

const STATUS: FleetStatus = {
  ...{ fleet: 'shop', kind: 'stateless', epoch: 1, base: null, overlay: null, tenants: 3 },
  ...{
    automation: { is_frozen: false, reason: '', problems: [] },
    routers: [],
    hosts: [],
    blast_radius: null,
  },
  cells: [cell(1, 'active'), cell(2, 'retired'), cell(3, 'retired')],
}

test('a verdict is shown with its reason, a freeze with its own, and each problem', () => {
  const reason = 'answered 503, though requests of routers succeed'
  const doubted = { ...cell(1, 'active'), health: 'suspect' as const, reason }
  const problems = ['the topology is not published as objects: access denied']
  const automation = { is_frozen: true, reason: 'the monitor is presumed wrong', problems }
  const text = formatStatus({ ...STATUS, cells: [doubted], automation }, 'http://control', false, 160)
  assert.match(text, /suspect .*answered 503, though requests of routers succeed/)
  assert.match(
    text,
    /automation is frozen: the monitor is presumed wrong\nproblem: the topology is not published/,
  )
})

test('retired cells are a number, and a line each with --all', () => {
  const text = formatStatus(STATUS, 'http://control', false, 120)
  assert.match(text, /cell-001/)
  assert.doesNotMatch(text, /cell-002/)
  assert.match(text, /\n2 retired cells not shown; --all shows them\n/)
  const all = formatStatus(STATUS, 'http://control', true, 120)
  assert.match(all, /cell-002/)
  assert.doesNotMatch(all, /not shown/)
})

test('a base that one router has first is a line', () => {
  const wave = { base: 7, former: 6, router: 'router-1', began_at: '2026-01-01T00:00:00.000Z' }
  const text = formatStatus({ ...STATUS, wave }, 'http://control', false, 120)
  assert.match(text, /base 7 is watched at router-1; the other routers have 6/)
})
