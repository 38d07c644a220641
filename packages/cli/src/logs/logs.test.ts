import assert from 'node:assert/strict'
import { appendFile, mkdir, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { stateLayout } from '../fleet/state-layout.ts'
import { makeFolder } from '../testing.ts'
import { findLogFiles } from './log-files.ts'
import { formatLogLine, isAbout, parseLogLine } from './log-line.ts'
import { createLogReader } from './read-logs.ts'

const at = (second: number) => `2026-11-21T09:36:${String(second).padStart(2, '0')}.000Z`

test('files are found by cell and component, rotated ones left out', async (t) => {
  const layout = stateLayout(await makeFolder(t))
  const logs = join(layout.cells, 'cell-001', 'logs')
  for (const folder of [layout.logs, logs]) await mkdir(folder, { recursive: true })
  for (const file of [
    layout.logOf('control'),
    layout.logOf('agent'),
    join(logs, 'api.log'),
    join(logs, 'api.log.1'),
  ]) {
    await writeFile(file, '')
  }
  const sources = async (filter: Parameters<typeof findLogFiles>[1]) =>
    (await findLogFiles(layout, filter)).map(({ source }) => source)
  assert.deepEqual(await sources({}), ['agent', 'cell-001/api', 'control'])
  assert.deepEqual(await sources({ cell: 'cell-001' }), ['cell-001/api'])
  assert.deepEqual(await sources({ component: 'control' }), ['control'])
  assert.deepEqual(await sources({ cell: 'cell-999' }), [])
  assert.deepEqual(await findLogFiles(stateLayout('/nowhere'), {}), [])
})

test('times are read from JSON and from the start of a line; levels and fields stay readable', () => {
  const time = Date.parse(at(5))
  assert.equal(parseLogLine('x', `{"level":30,"time":${time},"msg":"hi"}`).time, time)
  assert.equal(parseLogLine('x', `{"timestamp":"${at(5)}"}`).time, time)
  assert.equal(parseLogLine('x', '2026-11-21 09:36:05.000 UTC [7] LOG:  ready').time, time)
  assert.equal(parseLogLine('x', '    at somewhere (file.js:1)').time, undefined)
  assert.equal(parseLogLine('x', '{"broken').time, undefined)
  const json = parseLogLine(
    'api',
    `{"level":30,"time":${time},"pid":1,"msg":"listening","port":7501,"who":"a\\u001b[2Jb"}`,
  )
  assert.equal(formatLogLine(json, 5), '09:36:05.000 api    listening  port=7501  who=a\\u{1b}[2Jb')
  assert.equal(
    formatLogLine(parseLogLine('pg', '2026-11-21 09:36:05.000 UTC [7] LOG:  ready'), 2),
    '09:36:05.000 pg  [7] LOG:  ready',
  )
})

test('several logs are one stream in the order of time; a trace stays with its line', async (t) => {
  const folder = await makeFolder(t)
  const files = [
    { source: 'a', path: join(folder, 'a.log') },
    { source: 'b', path: join(folder, 'b.log') },
  ]
  await writeFile(files[0]!.path, `${at(1)} one\n    at trace\n${at(4)} four\nunfinished`)
  await writeFile(files[1]!.path, `${at(2)} two\n`)
  const lines = await createLogReader().tail(files)
  assert.deepEqual(
    lines.map(({ text }) => text.replace(/^\S+ /, '').trim()),
    ['one', 'at trace', 'two', 'four'],
  )
})

test('one tenant, or one trace, is picked out of JSON lines; what names neither is left out', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const of = (fields: object) => parseLogLine('a', JSON.stringify({ msg: 'm', ...fields }))
  const [acme, other, traced, plain] = [
    of({ tenant_id: 'acme' }),
    of({ tenant_id: 'acme-2' }),
    of({ tenant_id: 'acme', trace_id: trace }),
    parseLogLine('a', 'tenant_id acme'),
  ]
  const shown = (subject: Parameters<typeof isAbout>[1]) =>
    [acme, other, traced, plain].map((line) => isAbout(line, subject))
  assert.deepEqual(shown({ tenant: 'acme' }), [true, false, true, false])
  assert.deepEqual(shown({ tenant: 'acme', trace }), [false, false, true, false])
  assert.deepEqual(shown({}), [true, true, true, true])
})

test('lines without a time keep their place in the file, and a file without any counts as of its last write', async (t) => {
  const folder = await makeFolder(t)
  const files = ['a', 'b', 'c'].map((source) => ({ source, path: join(folder, `${source}.log`) }))
  await writeFile(files[0]!.path, `${at(1)} one\n${at(5)} five\n`)
  await writeFile(files[1]!.path, `banner\n${at(3)} three\n  more of three\n`)
  await writeFile(files[2]!.path, 'first\nsecond\n')
  await utimes(files[2]!.path, new Date(at(4)), new Date(at(4)))
  const lines = await createLogReader().tail(files)
  assert.deepEqual(
    lines.map(({ text }) => text.replace(/^2026\S+ /, '').trim()),
    ['one', 'banner', 'three', 'more of three', 'first', 'second', 'five'],
  )
  assert.deepEqual(
    lines.map(({ time }) => time !== undefined),
    [true, false, true, true, false, false, true],
  )
})

test('only the end of a huge log is read, from the beginning of a line', async (t) => {
  const path = join(await makeFolder(t), 'a.log')
  await writeFile(path, Array.from({ length: 50_000 }, (_, i) => `line ${i} ${'é'.repeat(20)}\n`).join(''))
  const lines = await createLogReader().tail([{ source: 'a', path }])
  assert.ok(lines.length > 10_000 && lines.length < 30_000, String(lines.length))
  assert.ok(lines.every(({ text }) => /^line \d+ é{20}$/.test(text)))
  assert.match(lines.at(-1)!.text, /^line 49999 /)
})

test('following shows whole lines, new files, and goes on after a rotation', async (t) => {
  const folder = await makeFolder(t)
  const a = { source: 'a', path: join(folder, 'a.log') }
  const b = { source: 'b', path: join(folder, 'b.log') }
  await writeFile(a.path, 'old\n')
  const reader = createLogReader()
  await reader.tail([a])
  const seen: string[] = []
  const stopping = new AbortController()
  const following = reader.follow(
    async () => [a, b],
    ({ source, text }) => seen.push(`${source} ${text}`),
    stopping.signal,
  )
  const until = (text: string) => waitFor(text, 20_000, () => seen.includes(text))
  await appendFile(a.path, 'ha')
  await appendFile(a.path, 'lf\nnext')
  await until('a half')
  await writeFile(b.path, 'new file\n')
  await until('b new file')
  await truncate(a.path)
  await appendFile(a.path, 'again\n')
  await until('a again')
  stopping.abort()
  await following
  assert.ok(!seen.some((line) => line === 'a old' || line === 'a next'))
})
