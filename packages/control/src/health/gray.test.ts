import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouterReport } from '@cellplane/contract'
import { createGrayDetector } from './gray.ts'

const NOW = 1_000_000_000

function report(requests: number, errors: number, startedAt = '2026-01-01T00:00:00.000Z'): RouterReport {
  return {
    router: 'router-1',
    started_at: startedAt,
    at: startedAt,
    base: null,
    overlay: null,
    refused_documents: 0,
    last_refusal: null,
    cells: [{ slot: 3, requests, errors, connect_failures: 0, in_flight: 0, is_ejected: false }],
    tenants: [],
  }
}

test('half of the requests failed within the window makes a cell gray, for a while', () => {
  const gray = createGrayDetector()
  gray.record(report(1000, 900), NOW)
  assert.equal(gray.judge(3, NOW), undefined, 'the first report may be about long ago')
  gray.record(report(1020, 909), NOW + 1000)
  assert.equal(gray.judge(3, NOW + 1000), undefined, '9 of 20')
  gray.record(report(1040, 920), NOW + 2000)
  assert.match(gray.judge(3, NOW + 2000)?.reason ?? '', /20 of 40 requests fail/)
  assert.ok(gray.judge(3, NOW + 31_999))
  assert.equal(gray.judge(3, NOW + 32_000), undefined)
})

test('few requests, old ones and other cells say nothing', () => {
  const gray = createGrayDetector()
  gray.record(report(0, 0), NOW)
  gray.record(report(19, 19), NOW + 1000)
  assert.equal(gray.judge(3, NOW + 1000), undefined, 'too few')
  gray.record(report(38, 38), NOW + 12_000)
  assert.equal(gray.judge(3, NOW + 12_000), undefined, 'the first ones are out of the window')
  assert.equal(gray.judge(4, NOW + 12_000), undefined)
})

test('a router that was restarted counts from zero', () => {
  const gray = createGrayDetector()
  gray.record(report(1000, 0), NOW)
  gray.record(report(30, 30, '2026-01-01T01:00:00.000Z'), NOW + 1000)
  assert.match(gray.judge(3, NOW + 1000)?.reason ?? '', /30 of 30/)
})
