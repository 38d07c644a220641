import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { AvailabilityView, Report } from '@cellplane/contract/api'
import { reportPage } from './report-html.ts'
import { formatReport } from './report-text.ts'
import { availabilityText, durationText } from './words.ts'

const one = (failed: number, requests: number, more: Partial<AvailabilityView> = {}): AvailabilityView => ({
  availability: requests > 0 ? 1 - failed / requests : 1,
  nines: failed > 0 ? -Math.log10(failed / requests) : null,
  ...{ requests, failed, incidents: 0, mttr_seconds: null, mtbf_seconds: null },
  ...more,
})

const EVIL = '<script>alert("x")</script>\u001b[2J'
const STEPS = [
  { requests: 100, failed: 0 },
  { requests: 100, failed: 50 },
  { requests: 0, failed: 0 },
]
const incident = { incidents: 1, mttr_seconds: 120, mtbf_seconds: 86_000 }

const REPORT: Report = {
  fleet: 'shop',
  ...{ from: '2026-01-01T00:00:00.000Z', until: '2026-01-31T00:00:00.000Z', step_seconds: 43_200 },
  steps_until: '2026-01-31T00:00:00.000Z',
  measured_from: '2026-01-02T12:00:00.000Z',
  total: one(2_400, 1_000_000, incident),
  without_cells: one(9_600, 1_000_000, incident),
  cells: [
    {
      ...{
        id: 'cell-001',
        zone: 'a',
        load_share: 0.4,
        cost: 576,
        cost_per_month: 584,
        cost_per_million: 1_440,
      },
      ...one(2_400, 400_000, incident),
      steps: STEPS,
    },
    {
      ...{
        id: 'cell-002',
        zone: 'b',
        load_share: 0.6,
        cost: null,
        cost_per_month: null,
        cost_per_million: null,
      },
      ...one(0, 600_000),
      steps: STEPS.slice(0, 1),
    },
  ],
  tenants: [{ tenant: EVIL, ...one(3, 50_000) }],
  incidents: [
    {
      ...{ id: 'i', cell: 'cell-001', slo: 'availability', cause: 'health', reason: EVIL },
      ...{ from: '2026-01-10T10:00:00.000Z', until: '2026-01-10T10:02:00.000Z' },
      ...{ of_cell: { requests: 2_400, failed: 2_400 }, of_fleet: { requests: 9_600, failed: 2_400 } },
    },
  ],
}

describe('a report in the terminal', () => {
  const text = stripVTControlCharacters(formatReport(REPORT, 120))
  test('says what it came to, and beside it what it would have been without cells', () => {
    assert.match(text, /^shop {2}2026-01-01 00:00 to 2026-01-31 00:00 UTC, metrics since 2026-01-02 12:00$/m)
    assert.match(text, /^with cells +99\.76 % {2}nines 2\.6 {2}2,400 of 1,000,000 requests failed$/m)
    assert.match(text, /^without +99\.04 % {2}nines 2\.0 {2}9,600 of/m)
    assert.match(
      text,
      /^cell-001 +99\.40 % +2\.2 +400,000 +2,400 +1 +2 min +23\.9 h +40\.0 % +584\.00 +1,440\.00$/m,
    )
    assert.match(text, /^cell-002 +100 % +all +600,000 +0 +0 +– +– +60\.0 % +– +–$/m)
    assert.match(text, /50,000 +3 +0 +– +– +99\.04 %$/m)
    assert.match(text, /^2026-01-10 10:00 +cell-001 +2 min +availability +2,400 +health/m)
  })
  test('cannot drive the terminal', () => {
    assert.ok(!formatReport(REPORT, 120).includes('\u001b[2J'))
  })
  test('says when there is nothing to say', () => {
    const empty = { ...REPORT, measured_from: null, incidents: [], tenants: [], cells: [] }
    const said = stripVTControlCharacters(formatReport({ ...empty, total: one(0, 0) }, 80))
    assert.match(said, /no metrics of this time/)
    assert.match(said, /no incidents/)
  })
})

describe('a report as a page', () => {
  const page = reportPage(REPORT)
  test('needs nothing from elsewhere, and runs nothing', () => {
    assert.doesNotMatch(page, /<script|<link|<img|url\(|@import|https?:/)
    assert.match(page, /default-src 'none'/)
    assert.match(page, /&lt;script&gt;alert\(&quot;x&quot;\)&lt;\/script&gt;/)
  })
  test('has a strip for each cell, a colour a step, and the same figures as the terminal', () => {
    assert.equal(page.match(/<svg /g)!.length, 2)
    const [first] = page.match(/<svg .*<\/svg>/)!
    assert.deepEqual(
      [...first.matchAll(/class="(\w+)"/g)].map(([, name]) => name),
      ['ok', 'high', 'none'],
    )
    assert.match(first, /2026-01-30 00:00: 50 of 100 failed/)
    for (const figure of ['99.76 %', '99.04 %', '23.9 h', '1,440.00'])
      assert.ok(page.includes(figure), figure)
  })
})

test('an availability never looks whole when it is not, and times are in the unit that fits', () => {
  assert.deepEqual(
    [1, 0.99999999, 0.9999, 0.99, 0.5, 0].map((availability) => availabilityText({ availability })),
    ['100 %', '99.999999 %', '99.990 %', '99.00 %', '50.00 %', '0.00 %'],
  )
  assert.deepEqual([null, 45, 120, 9_000, 345_600].map(durationText), ['–', '45 s', '2 min', '2.5 h', '4 d'])
})
