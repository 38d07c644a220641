import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { reportOf, tablesOf } from './report.ts'
import { ROWS } from './rows/all.ts'
import type { Effort } from './rows/row.ts'
import { type BenchResult, runBench } from './run-bench.ts'

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

test('each row runs, with every answer right, and finds a figure for each contestant', async (t) => {
  if (process.platform !== 'linux' || cpus().length < 2 || !isInstalled('setpriv')) {
    return t.skip('the bench needs Linux, two cores and util-linux')
  }
  if (!isInstalled('haproxy')) t.diagnostic('without HAProxy, which is not installed')
  const contestants = ['cellplane', ...(isInstalled('haproxy') ? ['haproxy-cell'] : [])]
  const result: BenchResult = await runBench({ rows: ROWS, contestants, effort: BRIEF, say: () => {} })

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
  assert.deepEqual(Object.keys(report.cpuUsPerRequest), contestants)
  for (const { name } of ROWS) assert.match(tablesOf(report), new RegExp(`^${name}: `, 'm'))
})
