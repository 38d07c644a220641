import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { Traffic } from '@cellplane/contract/api'
import { openScreen } from './screen.ts'
import { formatTop } from './top-view.ts'

type Row = Traffic['cells'][number]

const cell = (id: string, more: Partial<Row> = {}): Row => ({
  ...{ id, zone: 'a', role: 'serving', state: 'active', health: 'healthy', reason: '' },
  ...{ requests_per_second: 1_234.5, error_share: 0, p50_ms: 1.25, p99_ms: 48, in_flight: 7 },
  full_share: 0,
  ...{ budget_left: 0.987, alert: null, ejected_by: [] },
  ...more,
})

const traffic = (cells: Row[]): Traffic => ({
  ...{ at: '2026-01-01T12:34:56.789Z', window_seconds: 20, routers_reporting: 2, cells },
  automation: { is_frozen: false, reason: '', problems: [] },
})

const lines = (text: string) => stripVTControlCharacters(text).split('\n')
const IN_TROUBLE = cell('cell-003', {
  ...{ health: 'unhealthy', reason: 'answered 503\u001b[2J', error_share: 0.5, p50_ms: null, p99_ms: 1_500 },
  ...{ alert: 'page', budget_left: -20, ejected_by: ['router-1', 'router-2'], requests_per_second: 0.42 },
  full_share: 0.25,
})

describe('top', () => {
  test('has a line for the fleet and a row for each cell, those in trouble first', () => {
    const [heading, , titles, first, second] = lines(formatTop(traffic([cell('cell-001'), IN_TROUBLE])))
    assert.equal(heading, '12:34:56Z  1,235 requests/s  0.02 % errors  2 cells  2 routers  1 cell paging')
    assert.match(
      titles!,
      /^CELL +STATE +HEALTH +REQ\/S +ERRORS +P50 +P99 +IN FLIGHT +FULL +BUDGET +ALERT +EJECTED BY +NOTE$/,
    )
    assert.match(
      first!,
      /^cell-003 +active +unhealthy +0\.4 +50\.0 % +– +1\.5 s +7 +25\.0 % +< −999 % +page +router-1, router-2 +answered 503/,
    )
    assert.ok(!first!.includes('\u001b'))
    assert.match(second!, /^cell-001 +active +healthy +1,235 +0\.0 % +1\.3 ms +48 ms +7 +0\.0 % +99 %$/)
  })

  test('says in its first line that automation is frozen, and how much does not work', () => {
    const automation = { is_frozen: true, reason: 'too many', problems: ['the disk is full', 'no bucket'] }
    const [heading] = lines(formatTop({ ...traffic([cell('cell-001')]), automation }))
    assert.match(heading!, / {2}automation is frozen {2}2 problems$/)
  })

  test('fits every width from 40 columns on, and any height', () => {
    const cells = [
      IN_TROUBLE,
      ...Array.from({ length: 20 }, (_, i) => cell(`cell-1${String(i).padStart(2, '0')}`)),
    ]
    for (let width = 40; width <= 200; width += 4) {
      const shown = lines(formatTop(traffic(cells), { width, height: 10 })).slice(2)
      for (const line of shown) assert.ok(line.length <= width, `${line.length} columns in ${width}: ${line}`)
      assert.match(shown[1]!, /^cell-003/)
      assert.equal(shown.length, 1 + 6 + 1)
      assert.equal(shown.at(-1), '15 calmer cells not shown')
    }
  })
})

test('a terminal is given back as it was, by q and by Ctrl-C, once', () => {
  for (const key of ['q', '\u0003']) {
    const written: string[] = []
    const modes: boolean[] = []
    const input = Object.assign(new EventEmitter(), {
      isTTY: true as const,
      setRawMode: (mode: boolean) => void modes.push(mode),
      resume() {},
      pause() {},
    })
    let quits = 0
    const output = { rows: 2, write: (text: string) => written.push(text) > 0 }
    const screen = openScreen(output as never, input as never, () => quits++)
    screen.draw('one\ntwo\nthree')
    input.emit('data', Buffer.from('x'))
    assert.equal(quits, 0)
    input.emit('data', Buffer.from(key))
    assert.equal(quits, 1)
    screen.leave()
    screen.leave()
    screen.draw('after')
    assert.deepEqual(modes, [true, false])
    assert.equal(input.listenerCount('data'), 0)
    assert.deepEqual(written, [
      '\u001b[?1049h\u001b[?25l\u001b[?7l',
      '\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J',
      '\u001b[?7h\u001b[?25h\u001b[?1049l',
    ])
  }
})
