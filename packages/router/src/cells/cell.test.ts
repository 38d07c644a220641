import assert from 'node:assert/strict'
import { describe, type MockTracker, test } from 'node:test'
import type { MatchedRoute, SnapshotCell } from '@cellplane/core/data-plane'
import { monotonicNow } from '../clock.ts'
import { admitAtCell, inFlightCeiling } from '../decision/admission.ts'
import { createLogger } from '../log.ts'
import { type Cell, createCell, limitCell, NO_CEILINGS } from './cell.ts'
import { type Attempted, createCells, TICK_MS } from './cells.ts'

const SOCKETS_MAX = 256
const NOW = 1_000
const ROUTE = { ceilingShare: 1 } as MatchedRoute

function cellWith(change: Partial<Pick<Cell, 'declared' | 'share'>>): Cell {
  const entry = { slot: 0, id: 'cell-0', url: 'http://127.0.0.1:1' } as SnapshotCell
  const cell = createCell(entry, 'secret', true)
  limitCell(Object.assign(cell, change), SOCKETS_MAX, NOW)
  return cell
}

/** How many of so many requests at one moment, none of which ends, the cell is given. */
const admitted = (cell: Cell, count: number) =>
  Array.from({ length: count }, () => {
    const isIn = admitAtCell(cell, ROUTE, { isBackground: false }, NOW)
    if (isIn) cell.inFlight++
    return isIn
  }).filter((isIn) => isIn).length

describe('a share of a cell’s ceilings', () => {
  test('holds for requests under way, of which one may always be', () => {
    const inFlightOf = (inFlight: number, share: number) =>
      cellWith({ declared: { ...NO_CEILINGS, inFlight }, share }).inFlightMax
    assert.deepEqual([inFlightOf(40, 0.25), inFlightOf(10, 1 / 3), inFlightOf(2, 0.05)], [10, 3, 1])
    assert.equal(admitted(cellWith({ declared: { ...NO_CEILINGS, inFlight: 40 }, share: 0.25 }), 40), 10)
  })

  test('holds for the rate and its burst', () => {
    assert.equal(
      admitted(cellWith({ declared: { ...NO_CEILINGS, requestsPerSecond: 40 }, share: 0.25 }), 40),
      10,
    )
  })

  test('is nothing to a cell that declares none: its sockets are the process’s own', () => {
    const cell = cellWith({ share: 0.1 })
    assert.deepEqual([cell.inFlightMax, cell.requestsPerSecondMax], [SOCKETS_MAX, 0])
  })

  test('bounds the adaptive limit, which follows when it changes', () => {
    const cell = cellWith({ declared: { ...NO_CEILINGS, inFlight: 40 }, share: 0.25 })
    assert.equal(inFlightCeiling(cell), 10)
    cell.share = 1
    limitCell(cell, SOCKETS_MAX, NOW)
    assert.equal(inFlightCeiling(cell), 40)
  })

  test('is reported by all that came, let through or not', () => {
    const cell = cellWith({ declared: { ...NO_CEILINGS, inFlight: 4 } })
    admitted(cell, 10)
    assert.equal(cell.arrived, 10)
  })
})

function createNoCells() {
  const limits = { sockets_per_cell_max: SOCKETS_MAX, adaptive: 'on' } as const
  return createCells(
    'fleet',
    'key',
    limits,
    createLogger(() => {}, {}),
  )
}

/**
 * Five minutes of 200 requests a second at a cell that has so many streams open. Returns how many were turned away in
 * the last minute.
 */
function shedBesideStreams(
  mock: MockTracker,
  streams: number,
  latencyMs: (second: number) => number,
): number {
  const SECONDS = 300
  let ms = 0
  mock.method(performance, 'now', () => ms)
  const cells = createNoCells()
  const cell = cellWith({})
  const begin = (): Attempted => {
    cells.begin(cell)
    return { cell, caller: 0, startedAt: monotonicNow(), hasAnswer: false }
  }
  for (let i = 0; i < streams; i++) cells.countAnswer(begin(), 200)
  const underWay: { attempt: Attempted; doneAt: number }[] = []
  let shed = 0
  for (; ms < SECONDS * 1_000; ms += 5) {
    while (underWay.length > 0 && underWay[0]!.doneAt <= ms) {
      const { attempt } = underWay.shift()!
      cells.countAnswer(attempt, 200)
      cells.end(attempt)
    }
    if (ms % TICK_MS === 0) cell.adaptive!.tick(monotonicNow())
    if (admitAtCell(cell, ROUTE, { isBackground: false }, monotonicNow())) {
      underWay.push({ attempt: begin(), doneAt: ms + latencyMs(ms / 1_000) })
    } else if (ms >= (SECONDS - 60) * 1_000) shed++
  }
  return shed
}

describe('streams that stay open', () => {
  test('take no room from requests, however many they are', ({ mock }) => {
    assert.equal(
      shedBesideStreams(mock, 200, () => 40),
      0,
    )
  })

  test('do not keep the adaptive limit down after a slow minute', ({ mock }) => {
    const latencyMs = (second: number) => (second > 30 && second < 90 ? 1_000 : 40)
    assert.equal(shedBesideStreams(mock, 128, latencyMs), 0)
  })

  test('fill the declared ceiling', () => {
    const cell = cellWith({ declared: { ...NO_CEILINGS, inFlight: 40 } })
    cell.inFlight = 40
    assert.equal(admitted(cell, 1), 0)
  })
})

test('a request that a tiny share let through does not keep all out after the share has risen', () => {
  const cell = cellWith({ declared: { ...NO_CEILINGS, requestsPerSecond: 10 }, share: 1 / 6_000 })
  assert.equal(admitted(cell, 2), 1)
  cell.share = 1
  limitCell(cell, SOCKETS_MAX, NOW)
  assert.equal(admitted(cell, 20), 9)
})

test('an attempt waits until its answer begins, and is under way until that has ended', () => {
  const cells = createNoCells()
  const entry = { slot: 0, id: 'cell-0', url: 'http://127.0.0.1:1' } as SnapshotCell
  const cell = createCell(entry, 'secret', true)
  const attempts = [200, 503, 0].map(() => ({ cell, caller: 0, startedAt: 0, hasAnswer: false }))
  for (const _ of attempts) cells.begin(cell)
  const [answered, failed, dropped] = attempts as [Attempted, Attempted, Attempted]
  cells.countAnswer(answered, 200)
  cells.countAnswer(failed, 503)
  assert.deepEqual([cell.inFlight, cell.waiting], [3, 1])
  for (const attempt of [answered, failed, dropped]) cells.end(attempt)
  assert.deepEqual([cell.inFlight, cell.waiting], [0, 0])
})
