import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { MAIN_ROW, reportOf, tablesOf } from './report.ts'
import { ROWS } from './rows/all.ts'
import type { Effort } from './rows/row.ts'
import { runBench } from './run-bench.ts'

/** Long enough that every part of every row runs; what it finds is no measurement. */
const BRIEF: Effort = {
  rounds: 1,
  measureMs: 150,
  warmUpMs: 50,
  compileMs: 150,
  largeBodyBytes: 16 * 1024 ** 2,
  idleClients: 200,
  settleMs: 100,
  tokensSeen: 256,
}

const isInstalled = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

const whyNot =
  process.platform !== 'linux' || cpus().length < 2 || !isInstalled('setpriv')
    ? 'the bench needs Linux, two cores and util-linux'
    : false

test('each row runs, with every answer right, and finds a figure for the router', {
  skip: whyNot,
}, async () => {
  const result = await runBench({ rows: ROWS, contestants: ['cellplane'], effort: BRIEF, say: () => {} })

  assert.deepEqual(
    result.rows.map(({ row }) => row),
    ROWS.map(({ name }) => name),
  )
  for (const { row, compared, raw, skipped } of result.rows) {
    for (const [entry, findings] of Object.entries(raw)) {
      assert.equal(findings.length, BRIEF.rounds, `${row}, ${entry}`)
      for (const finding of findings) {
        assert.ok(Number.isFinite(finding[compared]), `${row}, ${entry}: ${JSON.stringify(finding)}`)
      }
    }
    const found = Object.keys(raw).some((entry) => entry.startsWith('cellplane'))
    assert.ok(found || skipped['cellplane'], `${row} neither measured nor skipped cellplane`)
  }
  const report = reportOf(result, BRIEF)
  assert.deepEqual(Object.keys(report.cpuUsPerRequest), ['cellplane'])
  for (const { name } of ROWS) assert.match(tablesOf(report), new RegExp(`^${name}: `, 'm'))
})

test('HAProxy does the same job in the bench, and is compared', {
  skip:
    whyNot ||
    (isInstalled('haproxy') ? false : 'HAProxy is not installed; to have it: apt-get install haproxy'),
}, async () => {
  const rows = ROWS.filter(({ name }) => name === MAIN_ROW)
  const contestants = ['cellplane', 'haproxy-cell']
  const report = reportOf(await runBench({ rows, contestants, effort: BRIEF, say: () => {} }), BRIEF)
  assert.deepEqual(Object.keys(report.cpuUsPerRequest), contestants)
  assert.match(tablesOf(report), / × haproxy-cell/)
})
