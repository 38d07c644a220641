import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { writeAtomically } from './atomic-file.ts'
import { identify, isRunning, parseIdentity, signalProcess } from './process-identity.ts'

const folder = await mkdtemp(join(tmpdir(), 'cellplane-host-'))
after(() => rm(folder, { recursive: true, force: true }))

test('a file is replaced wholly, is private unless said otherwise, and leaves no partial one beside it', async () => {
  const file = join(folder, 'a.json')
  await writeAtomically(file, 'one')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await writeAtomically(file, 'two', { mode: 0o644 })
  assert.equal(await readFile(file, 'utf8'), 'two')
  assert.equal((await stat(file)).mode & 0o777, 0o644)
  assert.deepEqual(await readdir(folder), ['a.json'])
})

test('a write that fails leaves the old content and nothing else', async () => {
  const file = join(folder, 'a.json')
  await assert.rejects(writeAtomically(join(folder, 'absent', 'b'), 'x'), { code: 'ENOENT' })
  assert.equal(await readFile(file, 'utf8'), 'two')
  assert.deepEqual(await readdir(folder), ['a.json'])
})

test('a process is known by its pid and its start, and is not running once it has ended', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  const identity = identify(child.pid!)!
  assert.equal(isRunning(identity), true)
  assert.equal(isRunning({ ...identity, startedAt: 'another time' }), false, 'a reused pid is somebody else')
  assert.deepEqual(parseIdentity(JSON.stringify(identity)), identity)
  signalProcess(child.pid!, 'SIGKILL')
  await once(child, 'exit')
  assert.equal(isRunning(identity), false)
  signalProcess(child.pid!, 'SIGKILL')
})

test('a record that a crash cut short names no process', () => {
  for (const text of ['', '{"pid": 1', '{}', 'null', '{"pid":"1","startedAt":"x"}'])
    assert.equal(parseIdentity(text), undefined, text)
})
