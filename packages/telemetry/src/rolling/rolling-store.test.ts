import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { quantileOf } from '../fleet-metrics.ts'
import { LATENCY_BOUNDS_S, type Sample } from './columns.ts'
import { openJournal } from './journal.ts'
import { createRollingStore, type RollingStore } from './rolling-store.ts'

const HOUR = 3_600
const DAY = 24 * HOUR
/** A whole number of five-minute steps. */
const START = Date.UTC(2026, 0, 1)
const CELL = 'cell-001'

const sample = (requests: number, good: number, more: Partial<Sample> = {}): Sample => ({
  requests,
  good,
  inFlight: 0,
  latencySumMs: 0,
  latencies: [],
  saturation: [],
  ...more,
})

/** One sample for each ten seconds of (START, START + seconds]. */
function fill(store: RollingStore, seconds: number, requests = 10, good = 9): void {
  for (let at = 10; at <= seconds; at += 10) store.record(CELL, START + at * 1000, sample(requests, good))
}

describe('a window', () => {
  test('is summed to the step, both within a day and from the coarse steps beyond it', async () => {
    const store = createRollingStore()
    fill(store, 3 * DAY)
    const until = START + 3 * DAY * 1000
    for (const seconds of [10, 300, HOUR, 6 * HOUR, DAY, 2 * DAY, 3 * DAY]) {
      const counts = await store.counts({ until, seconds })
      assert.deepEqual(counts.get(CELL), { total: seconds, good: 0.9 * seconds }, `${seconds} s`)
    }
  })
  test('has what came in it, however it lies to the hours that were summed before', async () => {
    const store = createRollingStore()
    const DAYS = 3
    // Another number in each step, so that one that is left out or counted twice shows.
    const requestsAt = (step: number) => 1 + ((step * 7919) % 1_000)
    const sums = [0]
    for (let step = 1; step <= (DAYS * DAY) / 10; step++) {
      sums.push(sums[step - 1]! + requestsAt(step))
      store.record(CELL, START + step * 10_000, sample(requestsAt(step), 0))
    }
    const last = sums.length - 1
    const windows = fc
      .tuple(fc.integer({ min: 0, max: (25 * HOUR) / 10 - 1 }), fc.integer({ min: 1, max: (25 * HOUR) / 10 }))
      .map(([back, length]) => ({ end: last - back, length: Math.min(length, (25 * HOUR) / 10 - back) }))
    await fc.assert(
      fc.asyncProperty(windows, async ({ end, length }) => {
        const window = { until: START + end * 10_000, seconds: length * 10 }
        assert.equal((await store.counts(window)).get(CELL)!.total, sums[end]! - sums[end - length]!)
      }),
    )
    // Beyond the fine steps: from any five minutes on.
    for (const coarse of [1, 5, 12, 13, 200]) {
      const first = coarse * 30
      const window = { until: START + last * 10_000, seconds: (last - first) * 10 }
      assert.equal((await store.counts(window)).get(CELL)!.total, sums[last]! - sums[first]!)
    }
  })
  test('says nothing of a cell without samples in it', async () => {
    const store = createRollingStore()
    fill(store, 60)
    assert.equal((await store.counts({ until: START + DAY * 1000, seconds: 300 })).size, 0)
  })
  test('over time is the same counts in a row', async () => {
    const store = createRollingStore()
    fill(store, HOUR)
    const rows = await store.countsOverTime({ until: START + HOUR * 1000, seconds: HOUR }, 600)
    assert.deepEqual(
      rows.get(CELL),
      Array.from({ length: 6 }, () => ({ total: 600, good: 540 })),
    )
  })
  test('never gives more than came, however samples are late, early or far apart', async () => {
    const times = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 * DAY }), fc.nat(1000)), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(times, async (samples) => {
        const store = createRollingStore()
        let came = 0
        for (const [at, requests] of samples) {
          store.record(CELL, START + at * 1000, sample(requests, requests))
          came += requests
        }
        const seen = (await store.counts({ until: START + 40 * DAY * 1000, seconds: 31 * DAY })).get(CELL)
        assert.ok((seen?.total ?? 0) <= came)
      }),
    )
  })
})

test('latencies are cumulative, and levels are the highest of the window', async () => {
  const store = createRollingStore()
  store.record(CELL, START + 1_000, sample(3, 3, { inFlight: 4, latencySumMs: 30, latencies: [0, 1, 2] }))
  store.record(CELL, START + 11_000, sample(1, 1, { inFlight: 2, latencySumMs: 3, latencies: [0, 0, 1] }))
  const window = { until: START + 20_000, seconds: 20 }
  const found = (await store.latencies(window)).get(CELL)!
  assert.deepEqual(found.counts.slice(0, 4), [0, 1, 4, 4])
  assert.equal(found.counts.length, LATENCY_BOUNDS_S.length + 1)
  assert.equal(found.sumSeconds, 0.033)
  assert.equal((await store.inFlightMax(window)).get(CELL), 4)
  assert.equal(quantileOf(found, LATENCY_BOUNDS_S, 1), LATENCY_BOUNDS_S[2])
})

test('saturation counts those that were turned away, of whom nothing else is counted', async () => {
  const store = createRollingStore()
  store.record(CELL, START + 1_000, sample(3, 3, { saturation: [1, 0, 2] }))
  store.record(CELL, START + 11_000, sample(0, 0, { saturation: [0, 0, 0, 0, 0, 1, 4] }))
  const until = START + 10 * DAY * 1_000
  for (const window of [
    { until: START + 20_000, seconds: 20 },
    { until, seconds: 20 * DAY },
  ]) {
    const good = async (threshold_share: 0.5 | 0.7 | 1) =>
      (await store.counts(window, { indicator: 'saturation', threshold_share })).get(CELL)
    assert.deepEqual(await good(0.5), { total: 8, good: 1 })
    assert.deepEqual(await good(0.7), { total: 8, good: 3 })
    assert.deepEqual(await good(1), { total: 8, good: 4 })
    assert.deepEqual((await store.counts(window)).get(CELL), { total: 3, good: 3 })
  }
})

test('a place of the ring is empty when its time comes round again', async () => {
  const store = createRollingStore()
  const round = 25 * HOUR
  store.record(CELL, START, sample(5, 5, { latencies: [5], saturation: [5] }))
  store.record(CELL, START + round * 1_000, sample(1, 0, { latencies: [0, 1] }))
  const window = { until: START + round * 1_000, seconds: 10 }
  assert.deepEqual((await store.counts(window)).get(CELL), { total: 1, good: 0 })
  assert.deepEqual((await store.latencies(window)).get(CELL)!.counts.slice(0, 3), [0, 1, 1])
  const saturation = await store.counts(window, { indicator: 'saturation', threshold_share: 1 })
  assert.deepEqual(saturation.get(CELL), { total: 0, good: 0 })
})

test('what a clock that was ahead has put into the rings keeps nothing out when it is set back', async () => {
  for (const ahead of [25 * HOUR, 31 * DAY]) {
    const store = createRollingStore()
    store.record(CELL, START + ahead * 1_000, sample(7, 7))
    store.record(CELL, START, sample(5, 0))
    for (const seconds of [10, 300, HOUR]) {
      assert.deepEqual((await store.counts({ until: START, seconds })).get(CELL), { total: 5, good: 0 })
    }
  }
})

test('a quantile is reckoned as histogram_quantile does it', () => {
  const latencies = { counts: [0, 10, 20, 20, 24], sumSeconds: 0 }
  const bounds = [1, 2, 4, 8]
  assert.equal(quantileOf(latencies, bounds, 0.5), 2.4)
  assert.equal(quantileOf(latencies, bounds, 0.99), 8)
  assert.ok(Number.isNaN(quantileOf({ counts: [0, 0, 0, 0, 0], sumSeconds: 0 }, bounds, 0.5)))
})

test('cells are bounded in number, and a retired one is forgotten', async () => {
  const store = createRollingStore()
  for (let nth = 0; nth < 1_000; nth++) assert.ok(store.record(`c-${nth}`, START, sample(1, 1)))
  assert.equal(store.record('one-more', START, sample(1, 1)), false)
  store.forget('c-0')
  assert.ok(store.record('one-more', START, sample(1, 1)))
})

describe('the journal', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cellplane-journal-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const LATER = START + 2 * HOUR * 1000

  /** The same in the store that it gives and, a save an hour, in the journal. */
  async function twoHoursIn(own: string): Promise<RollingStore> {
    const store = createRollingStore()
    const journal = await openJournal(own, store, START)
    fill(store, 2 * HOUR)
    for (const hour of [1, 2]) await journal.save(START + hour * HOUR * 1000 + 10_000)
    return store
  }

  test('gives a restarted store all that had ended, and the coarse step that had not', async () => {
    const store = createRollingStore()
    const journal = await openJournal(folder, store, START)
    for (let at = 10; at <= 2 * HOUR; at += 10) {
      store.record(CELL, START + at * 1000, sample(10, 9))
      if (at % 60 === 0) await journal.save(START + at * 1000)
    }
    // Ten seconds short of a coarse step, and a save that comes late enough for the last fine one.
    store.record(CELL, LATER + 10_000, sample(10, 9))
    await journal.save(LATER + 20_000)

    const again = createRollingStore()
    assert.equal((await openJournal(folder, again, LATER + 20_000)).skipped, 0)
    const [fine, coarse] = [
      { until: LATER + 10_000, seconds: HOUR },
      { until: LATER + 300_000, seconds: 30 * DAY },
    ]
    assert.deepEqual(await again.counts(fine), await store.counts(fine))
    assert.deepEqual(await again.counts(coarse), await store.counts(coarse))
    assert.equal((await again.counts(coarse)).get(CELL)!.total, 2 * HOUR + 10)
  })
  test('takes what was written before saturation was counted, as without any', async () => {
    const own = mkdtempSync(join(folder, 'older-'))
    const row = [10, 9, 3, 40, ...LATENCY_BOUNDS_S.map(() => 0), 10]
    const line = JSON.stringify({ step: START / 10_000 + 1, cells: { [CELL]: row } })
    const tooLong = line.replace(',10]', ',10,1]')
    writeFileSync(join(own, 'fine-2026-01-01T00.jsonl'), `${line}\n${tooLong}\n`)
    const store = createRollingStore()
    assert.equal((await openJournal(own, store, START + 30_000)).skipped, 1)
    store.record(CELL, START + 20_000, sample(1, 1, { saturation: [1] }))
    const window = { until: START + 300_000, seconds: 300 }
    assert.deepEqual((await store.counts(window)).get(CELL), { total: 11, good: 10 })
    assert.equal((await store.latencies(window)).get(CELL)!.counts.at(-1), 10)
    const saturation = await store.counts(window, { indicator: 'saturation', threshold_share: 0.9 })
    assert.deepEqual(saturation.get(CELL), { total: 1, good: 1 })
    rmSync(own, { recursive: true })
  })
  test('skips a line that was cut off or changed, and takes the others', async () => {
    const [file] = readdirSync(folder).filter((name) => name.startsWith('fine-'))
    const text = readFileSync(join(folder, file!), 'utf8')
    writeFileSync(join(folder, file!), `${text.replace('[10,9', '[-10,9')}{"step":1795`)
    const again = createRollingStore()
    assert.equal((await openJournal(folder, again, LATER + 20_000)).skipped, 2)
    // The line of the first ten seconds.
    const firstMinute = { until: START + 60_000, seconds: 60 }
    assert.equal((await again.counts(firstMinute)).get(CELL)!.total, 50)
  })
  test('counts a step once that was written twice, because an append of the same save had failed', async () => {
    const store = createRollingStore()
    const own = mkdtempSync(join(folder, 'failed-'))
    const journal = await openJournal(own, store, START)
    fill(store, HOUR + 300)
    // Stands for a disk that fills up between two files: the second one cannot be opened.
    const second = join(own, 'fine-2026-01-01T01.jsonl')
    mkdirSync(second)
    const at = START + (HOUR + 310) * 1000
    await assert.rejects(journal.save(at), /EISDIR/)
    rmdirSync(second)
    await journal.save(at)
    const lines = readFileSync(join(own, 'fine-2026-01-01T00.jsonl'), 'utf8').split('\n')
    assert.equal(lines.filter((line) => line !== '').length, 2 * new Set(lines.filter(Boolean)).size)

    const again = createRollingStore()
    assert.equal((await openJournal(own, again, at)).skipped, 0)
    for (const seconds of [HOUR, DAY]) {
      const window = { until: at, seconds }
      assert.deepEqual(await again.counts(window), await store.counts(window), `${seconds} s`)
    }
    rmSync(own, { recursive: true })
  })
  test('loses no line to one before it that was cut off', async () => {
    const own = mkdtempSync(join(folder, 'cut-'))
    const file = join(own, 'fine-2026-01-01T00.jsonl')
    const store = createRollingStore()
    const journal = await openJournal(own, store, START)
    fill(store, 20)
    await journal.save(START + 30_000)
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -10))

    const restarted = createRollingStore()
    const next = await openJournal(own, restarted, START + 30_000)
    assert.equal(next.skipped, 1)
    restarted.record(CELL, START + 40_000, sample(10, 9))
    await next.save(START + 50_000)
    const again = createRollingStore()
    assert.equal((await openJournal(own, again, START + 50_000)).skipped, 1)
    const window = { until: START + 60_000, seconds: 60 }
    assert.deepEqual((await again.counts(window)).get(CELL), { total: 20, good: 18 })
    rmSync(own, { recursive: true })
  })
  test('a line of a time that has not come, or of another file, blinds no cell', async () => {
    const own = mkdtempSync(join(folder, 'ahead-'))
    const row = [10, 0, 0, 0, ...LATENCY_BOUNDS_S.map(() => 0), 10]
    const line = (at: number) => JSON.stringify({ step: at / 300_000, cells: { [CELL]: row } })
    const inTwoDays = START + 2 * DAY * 1000
    writeFileSync(join(own, 'coarse-2026-01-03.jsonl'), `${line(inTwoDays)}\n`)
    // As by one digit that a disk changed, and by a clock that was ahead by an hour.
    writeFileSync(join(own, 'coarse-2026-01-01.jsonl'), `${line(inTwoDays)}\n${line(START + HOUR * 1000)}\n`)
    const store = createRollingStore()
    const journal = await openJournal(own, store, START)
    assert.equal(journal.skipped, 3)
    fill(store, 2 * HOUR, 10, 0)
    const until = START + 2 * HOUR * 1000
    for (const seconds of [300, 1_800, HOUR, 2 * HOUR, 6 * HOUR]) {
      const seen = (await store.counts({ until, seconds })).get(CELL)
      assert.deepEqual(seen, { total: Math.min(seconds, 2 * HOUR), good: 0 }, `${seconds} s`)
    }
    rmSync(own, { recursive: true })
  })
  test('a coarse line that is lost is made again of its fine ones', async () => {
    const own = mkdtempSync(join(folder, 'coarse-'))
    const store = await twoHoursIn(own)
    const file = join(own, 'coarse-2026-01-01.jsonl')
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    writeFileSync(file, `${lines.toSpliced(3, 1, 'no JSON').join('\n')}\n`)
    const again = createRollingStore()
    assert.equal((await openJournal(own, again, LATER + 10_000)).skipped, 1)
    for (const seconds of [HOUR, 2 * HOUR, DAY]) {
      const window = { until: LATER, seconds }
      assert.deepEqual(await again.counts(window), await store.counts(window), `${seconds} s`)
    }
    rmSync(own, { recursive: true })
  })
  test('one file that cannot be read is named, and the others are restored and written on', async () => {
    const own = mkdtempSync(join(folder, 'unreadable-'))
    const store = await twoHoursIn(own)
    const lost = 'fine-2026-01-01T00.jsonl'
    rmSync(join(own, lost))
    // Stands for a disk with a bad block.
    mkdirSync(join(own, lost))
    const again = createRollingStore()
    const next = await openJournal(own, again, LATER + 10_000)
    assert.deepEqual([...next.unreadable.keys()], [lost])
    assert.match(next.unreadable.get(lost)!, /^EISDIR/)
    const lastHour = { until: LATER, seconds: HOUR }
    assert.deepEqual(await again.counts(lastHour), await store.counts(lastHour))
    again.record(CELL, LATER + 20_000, sample(1, 1))
    await next.save(LATER + 30_000)
    assert.match(readFileSync(join(own, 'fine-2026-01-01T02.jsonl'), 'utf8'), /\[1,1,/)
    rmSync(own, { recursive: true })
  })
  test('is written on when the clock was ahead and is set back', async () => {
    const own = mkdtempSync(join(folder, 'set-back-'))
    const ahead = LATER + 3 * HOUR * 1000
    const store = createRollingStore()
    const journal = await openJournal(own, store, ahead)
    await journal.save(ahead)
    fill(store, 2 * HOUR)
    await journal.save(LATER + 10_000)
    const again = createRollingStore()
    await openJournal(own, again, LATER + 10_000)
    const lastHour = { until: LATER, seconds: HOUR }
    assert.equal((await again.counts(lastHour)).get(CELL)!.total, HOUR)
    rmSync(own, { recursive: true })
  })
  test('has as many files as the store goes back, and no jump of the clock removes them all', async () => {
    const own = mkdtempSync(join(folder, 'files-'))
    const store = createRollingStore()
    const journal = await openJournal(own, store, START)
    for (let hour = 1; hour <= 36 * 24; hour++) {
      const at = START + hour * HOUR * 1000
      store.record(CELL, at - 290_000, sample(1, 1))
      await journal.save(at + 10_000)
    }
    const filesNow = () => readdirSync(own).toSorted()
    const files = filesNow()
    const [coarse, fine] = ['coarse', 'fine'].map((name) => files.filter((file) => file.startsWith(name)))
    // 31 days and 25 hours, the one that goes on, and two.
    assert.deepEqual([coarse!.length, fine!.length], [34, 28])
    assert.equal(coarse!.at(-1), 'coarse-2026-02-06.jsonl')
    const jump = START + 400 * DAY * 1000
    store.record(CELL, jump, sample(1, 1))
    await journal.save(jump + 310_000)
    assert.equal(filesNow().filter((file) => !files.includes(file)).length, 2)
    assert.equal(files.filter((file) => !filesNow().includes(file)).length, 2)
    rmSync(own, { recursive: true })
  })
})
