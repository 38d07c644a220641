import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatQuarantines } from './quarantines.ts'

test('quarantines say who, by what rule, since when, until when and why', () => {
  const text = formatQuarantines([
    {
      tenant: 'acme',
      rule: 'crashes',
      mode: 'divert',
      reason: 'its requests were under way at 2 crashes of cells',
      since: '2026-01-01T00:00:00.000Z',
      until: null,
      times: 1,
    },
  ])
  assert.match(
    text,
    /acme +crashes +divert +2026-01-01T00:00:00\.000Z +released +its requests were under way/,
  )
  assert.equal(formatQuarantines([]), 'no tenant is in quarantine')
})
