import assert from 'node:assert/strict'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder } from '../testing.ts'
import { rootWarning } from './root-warning.ts'

/** A user that owns nothing here. */
const STRANGER = { uid: 70_000, gid: 70_000 }

test('a folder that a cell’s own user cannot enter is told, with the remedy', async (t) => {
  const closed = join(await makeFolder(t), 'closed')
  await mkdir(join(closed, 'shop'), { recursive: true })
  await chmod(closed, 0o700)
  const warning = await rootWarning(join(closed, 'shop'), STRANGER)
  assert.match(warning ?? '', /components run as root too: .*; move the folder/)
})

test('not as root there is nothing to say', async (t) => {
  assert.equal(await rootWarning(await makeFolder(t), null), undefined)
})
