import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { cellUsers } from './os-user.ts'

const isRoot = process.getuid?.() === 0

test('as root each slot has a uid of its own, and components fall back to root where it cannot go, which is said', {
  skip: !isRoot && 'not root: there is one user',
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cellplane-users-'))
  t.after(() => rm(directory, { recursive: true }))
  const closed = await cellUsers(70_000, 3, ['/', directory])
  assert.deepEqual([closed.postgres, closed.components], [{ uid: 70_003, gid: 70_003 }, undefined])
  assert.match(closed.note, /^components run as root: .*cellplane-users-.* uid 70003 cannot enter it$/)
  await chmod(directory, 0o711)
  const open = await cellUsers(70_000, 4, ['/', directory])
  assert.deepEqual(
    [open.postgres, open.components],
    [
      { uid: 70_004, gid: 70_004 },
      { uid: 70_004, gid: 70_004 },
    ],
  )
  assert.equal(open.note, 'runs as uid 70004')
})

test('as an ordinary user there is one user, which is said', { skip: isRoot && 'root' }, async () => {
  const { postgres, components, note } = await cellUsers(70_000, 3, ['/'])
  assert.deepEqual([postgres, components], [undefined, undefined])
  assert.match(note, /not root/)
})
