import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive } from '@cellplane/testing'
import { pino } from 'pino'
import { launchProcess } from './kept-process.ts'

test('a process whose record cannot be written runs all the same', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-kept-'))
  t.after(() => rm(directory, { recursive: true }))
  const mark = `MARK=${directory}` as const
  const kept = await launchProcess({
    argv: ['sleep', '1000'],
    directory,
    env: { PATH: process.env['PATH'] ?? '', MARK: directory },
    mark: [mark],
    osUser: undefined,
    logFile: join(directory, 'a.log'),
    recordFile: join(directory, 'absent', 'a.json'),
    log: pino({ level: 'silent' }),
    stopTimeoutMs: 5_000,
  })
  assert.ok(isAlive(kept.pid))
  await kept.stop()
  assert.ok(!isAlive(kept.pid))
})
