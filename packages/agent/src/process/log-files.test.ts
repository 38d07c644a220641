import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { openLog, rotateLogs } from './log-files.ts'

test('a log that a process holds open is rotated under it, and the process goes on appending', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-logs-'))
  const file = join(directory, 'api.log')
  const log = await openLog(file)
  const writer = spawn('/bin/sh', ['-c', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done'], {
    stdio: ['ignore', log.fd, log.fd],
  })
  await log.close()
  t.after(async () => {
    writer.kill('SIGKILL')
    await rm(directory, { recursive: true })
  })
  const size = async () => (await stat(file)).size
  await waitFor('some lines', 10_000, async () => (await size()) > 200)
  await rotateLogs(directory, 200)
  assert.ok((await size()) < 200, 'emptied')
  assert.match(await readFile(`${file}.1`, 'utf8'), /^line 1\n/)
  await waitFor('more lines', 10_000, async () => (await size()) > 20)
  // A writer that kept its own offset would leave a hole of zeros in front.
  assert.match(await readFile(file, 'utf8'), /^(line )?\d*\n?line \d+\n/)
  await rotateLogs(directory, 1_000_000)
  assert.ok((await size()) > 20, 'a small log is left alone')
})

test('a log that cannot be rotated does not keep the next from being', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-logs-'))
  t.after(() => rm(directory, { recursive: true }))
  await mkdir(join(directory, 'a.log.1'))
  for (const name of ['a.log', 'b.log']) await writeFile(join(directory, name), 'x'.repeat(100))
  await assert.rejects(rotateLogs(directory, 10))
  assert.equal((await stat(join(directory, 'b.log'))).size, 0)
})
