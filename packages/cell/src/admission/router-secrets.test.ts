import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createRouterSecrets } from './router-secrets.ts'

const OLD = 'old-secret-old-secret-old-secret-old-secret'
const NEW = 'new-secret-new-secret-new-secret-new-secret'

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cellplane-secrets-'))
})
after(() => rm(directory, { recursive: true, force: true }))

async function write(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

test('secrets rotate: both lines are accepted, a new one at once, a removed one no longer', async () => {
  const file = join(directory, 'rotating')
  await write(file, `${OLD}\n`)
  let now = 0
  const secrets = createRouterSecrets(file, () => now)
  assert.equal(await secrets.accepts(OLD), true)
  assert.equal(await secrets.accepts(NEW), false)
  assert.equal(await secrets.accepts(''), false)

  await write(file, `${NEW}\n${OLD}\n`)
  assert.equal(await secrets.accepts(NEW), true)
  assert.equal(await secrets.accepts(OLD), true)

  await write(file, `${NEW}\n`)
  now += 1000
  assert.equal(await secrets.accepts(OLD), false)
})

test('a file that is emptied, garbled or deleted changes nothing', async () => {
  const file = join(directory, 'damaged')
  await write(file, `${OLD}\n`)
  let now = 0
  const secrets = createRouterSecrets(file, () => now)
  for (const damage of ['', 'short\n', `${NEW}\n`.repeat(3)]) {
    await write(file, damage)
    now += 1000
    assert.equal(await secrets.accepts(OLD), true)
    assert.equal(await secrets.accepts(NEW), false)
  }
  await rm(file)
  now += 1000
  assert.equal(await secrets.accepts(OLD), true)
})

test('a file that cannot be read at the start stops the process with the path', () => {
  assert.throws(() => createRouterSecrets(join(directory, 'nowhere')), /nowhere cannot be read.*ENOENT/)
})

test('without a file no router is believed', async () => {
  assert.equal(await createRouterSecrets(undefined).accepts(OLD), false)
})
