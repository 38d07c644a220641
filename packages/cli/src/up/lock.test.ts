import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { identify } from '@cellplane/host'
import { makeFolder } from '../testing.ts'
import { acquireLock, lockOwner } from './lock.ts'

test('a second owner is refused while the first one lives, with its pid', async (t) => {
  const file = join(await makeFolder(t), 'up.lock')
  const lock = await acquireLock(file)
  await assert.rejects(acquireLock(file), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`pid ${process.pid}`),
  })
  assert.equal((await lockOwner(file))?.pid, process.pid)
  await lock.release()
  assert.equal(await lockOwner(file), undefined)
  await (await acquireLock(file)).release()
})

test('a lock whose owner was killed, whose number means another process, or that is damaged is taken over', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'up.lock')
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const owner = identify(child.pid!)
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (const stale of [
    JSON.stringify(owner),
    `{"pid":${process.pid},"startedAt":"long ago"}`,
    '{"pid":',
    '',
  ]) {
    await writeFile(file, stale)
    assert.equal(await lockOwner(file), undefined)
    await (await acquireLock(file)).release()
  }
  assert.deepEqual(await readdir(folder), [])
})

test('of many that find a stale lock at once, one gets it', async (t) => {
  const file = join(await makeFolder(t), 'up.lock')
  await writeFile(file, '{"pid":999999999,"startedAt":"long ago"}')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(file)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  assert.equal((await lockOwner(file))?.pid, process.pid)
})
