/**
 * docs/health.md against the code: every combination of signals through its truth table, every course of events through
 * a clock of its own, every number. The document is the specification; a row that nothing tests fails, and so does a test
 * without a row.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { DURATION_BOUNDS_MS } from './durations.ts'
import { HEALTH } from './numbers.ts'
import { comparePeers, nextPeersState, type PeersState, UNCOMPARED } from './peers.ts'
import { nextProbeState, type ProbeState, UNPROBED } from './probes.ts'
import { rampFitness } from './ramp.ts'
import { addToHistory, NO_HISTORY, type RequestHistory, readHistory } from './request-history.ts'
import { NO_REQUESTS, nextRequestsSignal, type RequestsSignal, type RequestWindow } from './requests.ts'
import { nextHealth, RULES, type Signals, UNJUDGED, weigh } from './verdict.ts'

const text = readFileSync(new URL('../../../../docs/health.md', import.meta.url), 'utf8')

/** Rows of the table whose first heading is this, without their back ticks. */
function tableOf(first: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`))
  assert.ok(start >= 0, `docs/health.md has a table that begins with "${first}"`)
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'))
  return lines.slice(start + 2, start + length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

const VALUES = {
  probe: ['ok', 'failing', 'unknown'],
  synthetic: ['ok', 'failing', 'unknown', 'none'],
  requests: ['ok', 'failing', 'few'],
  peers: ['ok', 'errors', 'slow', 'unknown'],
} as const satisfies { [S in keyof Signals]: readonly Signals[S][] }
const NAMES = Object.keys(VALUES) as (keyof Signals)[]

const COMBINATIONS: Signals[] = VALUES.probe.flatMap((probe) =>
  VALUES.synthetic.flatMap((synthetic) =>
    VALUES.requests.flatMap((requests) =>
      VALUES.peers.map((peers) => ({ probe, synthetic, requests, peers })),
    ),
  ),
)

describe('the truth table', () => {
  const rows = tableOf('rule')
  const decided = new Map(rows.map(([id]) => [id, 0]))
  const fits = (row: string[], signals: Signals) =>
    NAMES.every((name, i) => row[i + 1] === '–' || row[i + 1]!.split(', ').includes(signals[name]))

  test('has the code’s rules, in the code’s order', () => {
    assert.deepEqual(
      rows.map(([id]) => id),
      RULES.map(({ id }) => id),
    )
  })

  test('names only values that signals have', () => {
    for (const row of rows) {
      for (const [i, name] of NAMES.entries()) {
        for (const value of row[i + 1]!.split(', ')) {
          assert.ok(
            value === '–' || (VALUES[name] as readonly string[]).includes(value),
            `${row[0]}: ${value}`,
          )
        }
      }
    }
  })

  for (const row of rows) {
    test(`${row[0]}: every combination that the row decides`, () => {
      for (const signals of COMBINATIONS) {
        if (rows.find((one) => fits(one, signals)) !== row) continue
        decided.set(row[0], decided.get(row[0])! + 1)
        const { id, verdict, ground } = weigh(signals)
        assert.deepEqual([id, verdict, ground], [row[0], row[5], row[6]], JSON.stringify(signals))
      }
      assert.ok(decided.get(row[0])! > 0, 'the rows above it leave it nothing')
    })
  }

  test('decides all combinations, each once', () => {
    assert.equal(
      [...decided.values()].reduce((sum, count) => sum + count, 0),
      COMBINATIONS.length,
    )
  })
})

describe('a course of events', () => {
  const POLICY = { unhealthy_after: 3, healthy_after: 2 }
  const PER_SECOND = 20
  const SECONDS = 240

  /** What one second holds. */
  type Second = {
    isProbeOk?: boolean
    /** Left out: no synthetic tenant is declared. */
    isWriteOk?: boolean
    /** Of the cell itself, and of each of two peers. */
    own?: Partial<RequestWindow>
    peers?: Partial<RequestWindow>
  }
  /** `isOut`: routers follow the mark, so there are no requests. */
  type Course = (second: number, isOut: boolean) => Second

  const answers = (ms: number) => {
    const bucket = DURATION_BOUNDS_MS.findIndex((bound) => ms <= bound)
    return DURATION_BOUNDS_MS.map((_, i) => (i === bucket ? PER_SECOND : 0))
  }
  const well = { attempts: PER_SECOND, durations: answers(20) }
  const failing = (share: number) => ({ ...well, errors: Math.round(share * PER_SECOND) })
  const none = { attempts: 0, durations: [] }
  const between = (second: number, from: number, to: number) => second >= from && second < to
  const quiet: Partial<RequestWindow> = none

  const COURSES: Record<string, Course> = {
    steady: () => ({}),
    gray: (second) => (between(second, 10, 20) ? { own: failing(1) } : {}),
    'gray-again': (second) => (second >= 10 ? { own: failing(1) } : {}),
    'gray-ejected': (second) =>
      second === 10
        ? { own: { attempts: 5, errors: 5, ejectedReports: 1 } }
        : between(second, 10, 20)
          ? { own: { ...none, ejectedReports: 1 } }
          : {},
    'gray-ejected-long': (second) =>
      second === 10
        ? { own: { attempts: 5, errors: 5, ejectedReports: 1 } }
        : between(second, 10, 45)
          ? { own: { ...none, ejectedReports: 1 } }
          : {},
    'in-part': (second) => (between(second, 10, 30) ? { own: failing(1 / 3) } : {}),
    'in-part-all': (second) =>
      between(second, 10, 30) ? { own: failing(1 / 3), peers: failing(1 / 3) } : {},
    'one-tenant': (second) =>
      between(second, 10, 30) ? { own: { ...failing(0.9), errorsOfOneTenant: 0.9 * PER_SECOND } } : {},
    dead: (second) => ({ isProbeOk: !between(second, 10, 20), own: quiet }),
    'dead-briefly': (second) => ({ isProbeOk: !between(second, 10, 12), own: quiet }),
    'probe-lies': (second) => ({ isProbeOk: !between(second, 10, 20) }),
    'write-fails': (second) => ({ isWriteOk: !between(second, 10, 20), own: quiet }),
    slow: (second) => (between(second, 10, 30) ? { own: { ...well, durations: answers(2_000) } } : {}),
  }

  /** `12 s unhealthy`, … as it goes. */
  function run(course: Course): string {
    let probe: ProbeState = UNPROBED
    let write: ProbeState = UNPROBED
    let requests: RequestsSignal = 'few'
    let peers: PeersState = UNCOMPARED
    let health = UNJUDGED
    const histories: RequestHistory[] = [NO_HISTORY, NO_HISTORY, NO_HISTORY]
    const changes: string[] = []
    for (let second = 0; second < SECONDS; second++) {
      const now = second * 1000
      const isOut = health.verdict === 'unhealthy'
      const seen = course(second, isOut)
      // Routers send nothing then, and still report what they do by themselves.
      const own = isOut
        ? { ...none, ejectedReports: seen.own?.ejectedReports ?? 0 }
        : { ...well, ...seen.own }
      const others = { ...well, ...seen.peers }
      for (const [i, one] of [own, others, others].entries()) {
        histories[i] = addToHistory(histories[i]!, { ...NO_REQUESTS, reports: 1, ...one }, now)
      }
      probe = nextProbeState(probe, { isHealthy: seen.isProbeOk ?? true, reason: 'answered' }, POLICY, now)
      if (seen.isWriteOk !== undefined) {
        write = nextProbeState(write, { isHealthy: seen.isWriteOk, reason: 'answered' }, POLICY, now)
      }
      const windows = histories.map((history) => readHistory(history, now))
      requests = nextRequestsSignal(requests, windows[0]!)
      const cells = windows.map((window, slot) => ({ slot, release: 'r1', window }))
      peers = nextPeersState(peers, comparePeers(cells).get(0)!, now)
      const signals: Signals = {
        probe: signalOf(probe),
        synthetic: seen.isWriteOk === undefined ? 'none' : signalOf(write),
        requests,
        peers: peers.signal,
      }
      const before = health.verdict
      const reasons = { probe: '', synthetic: '', requests: '', peers: '' }
      health = nextHealth(health, signals, reasons, now)
      if (health.verdict !== before) changes.push(`${second} s ${health.verdict}`)
    }
    return changes.join(', ')
  }

  const signalOf = ({ health }: ProbeState) =>
    health === 'healthy' ? 'ok' : health === 'unhealthy' ? 'failing' : 'unknown'

  const rows = tableOf('id')
  test('is in the document, and each of the document’s is run', () => {
    assert.deepEqual(rows.map(([id]) => id).sort(), Object.keys(COURSES).sort())
  })
  for (const [id = '', what = '', verdicts = ''] of rows) {
    test(`${id}: ${what}`, () => assert.equal(run(COURSES[id]!), verdicts))
  }
})

test('a cell that is let back in takes its share as the document says', () => {
  for (const [after = '', share] of tableOf('ramp after')) {
    const fitness = rampFitness(Number.parseInt(after, 10) * 1000, 0, 10_000)
    assert.equal(`${Number(((fitness / 255) * 100).toFixed(1))} %`, share, after)
  }
})

test('the numbers are the document’s', () => {
  const { peersErrors, ...plain } = HEALTH
  const named: Record<string, number> = plain
  for (const [name, value] of Object.entries(peersErrors)) named[`peersErrors.${name}`] = value
  const rows = tableOf('number')
  assert.deepEqual(rows.map(([name]) => name).sort(), Object.keys(named).sort())
  for (const [name = '', value] of rows) assert.equal(Number(value), named[name], name)
})
