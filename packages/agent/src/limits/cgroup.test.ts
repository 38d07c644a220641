import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { limitCell } from './cgroup.ts'

test('a cell without limits says so', async () => {
  const limits = await limitCell('cell-001', '/nowhere', { memoryMb: null, cpus: null })
  assert.equal(limits.description, 'no limits are asked for')
  await limits.remove()
})

test('a limited cell’s processes are in a group of their own, which goes with them', async (t) => {
  const limits = await limitCell('test', `${process.pid}`, { memoryMb: 64, cpus: 0.5 })
  if (limits.description.startsWith('no limits')) {
    assert.match(limits.description, /^no limits: .+/)
    return t.skip(limits.description)
  }
  assert.equal(limits.description, 'memory 64 MB, 0.5 cpus')
  const child = spawn('sleep', ['1000'])
  await limits.add(child.pid!)
  assert.match(await readFile(`/proc/${child.pid}/cgroup`, 'utf8'), /cellplane-test-/)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await limits.remove()
  assert.doesNotMatch(await readFile('/proc/self/cgroup', 'utf8'), /cellplane-test-/)
})
