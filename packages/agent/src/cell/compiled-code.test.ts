import assert from 'node:assert/strict'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { giveCompiledCode } from './compiled-code.ts'

const uid = process.getuid?.() ?? 0
const isRoot = uid === 0
const owner = isRoot ? { uid: 69_992, gid: 69_992 } : undefined

describe('a cell’s compiled code', () => {
  let directory: string
  let from: string
  const cellUid = owner?.uid ?? uid

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cellplane-compiled-'))
    await chmod(directory, 0o711)
    from = join(directory, 'host')
    await mkdir(join(from, `v26-x64-1a2b-${uid}`), { recursive: true })
    await mkdir(join(from, 'v26-x64-1a2b-12345'))
    for (const name of ['a', 'b', 'c'])
      await writeFile(join(from, `v26-x64-1a2b-${uid}`, name), `code ${name}`)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  async function emptyCell(name: string): Promise<string> {
    const to = join(directory, name)
    await mkdir(to, { mode: 0o700 })
    return to
  }

  test('is what the agent’s own user compiled, under the name by which the cell’s user looks for it', async () => {
    const to = await emptyCell('named')
    await giveCompiledCode(from, to, owner)
    assert.deepEqual(await readdir(to), [`v26-x64-1a2b-${cellUid}`])
    const folder = join(to, `v26-x64-1a2b-${cellUid}`)
    assert.deepEqual((await readdir(folder)).sort(), ['a', 'b', 'c'])
    assert.equal(await readFile(join(folder, 'b'), 'utf8'), 'code b')
  })

  test('is the cell’s user’s alone, every file of it', async () => {
    const to = await emptyCell('owned')
    await giveCompiledCode(from, to, owner)
    const folder = join(to, `v26-x64-1a2b-${cellUid}`)
    for (const path of [to, folder, join(folder, 'a')]) assert.equal((await stat(path)).uid, cellUid)
    for (const path of [to, folder]) assert.equal((await stat(path)).mode & 0o777, 0o700)
  })

  test('replaces what was there, and writes through no link that a cell planted', async () => {
    const to = await emptyCell('linked')
    const target = join(directory, 'of-somebody-else')
    await mkdir(target)
    await writeFile(join(target, 'a'), 'untouched')
    await symlink(target, join(to, `v26-x64-1a2b-${cellUid}`))
    await giveCompiledCode(from, to, owner)
    assert.equal((await lstat(join(to, `v26-x64-1a2b-${cellUid}`))).isDirectory(), true)
    assert.equal(await readFile(join(target, 'a'), 'utf8'), 'untouched')
    const beside = (await readdir(directory)).filter((name) => name.startsWith('linked.'))
    assert.deepEqual(beside, [])
  })

  test('is made whole after an attempt that was cut short', async () => {
    const to = await emptyCell('cut')
    await mkdir(join(`${to}.new`, 'half'), { recursive: true })
    await mkdir(join(`${to}.old`, 'former'), { recursive: true })
    await giveCompiledCode(from, to, owner)
    assert.deepEqual(await readdir(to), [`v26-x64-1a2b-${cellUid}`])
  })

  test('stays as it is where no build compiled anything', async () => {
    const to = await emptyCell('kept')
    await writeFile(join(to, 'own'), '')
    await giveCompiledCode(join(directory, 'absent'), to, owner)
    assert.deepEqual(await readdir(to), ['own'])
  })
})
