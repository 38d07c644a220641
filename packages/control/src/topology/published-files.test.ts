/** What the folder holds after the store turned out to know less than it did. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fleet, keys, publishedText } from '../fixtures/published-text.ts'
import { createPublished } from './published.ts'
import { BASE_FILE, createPublishedFiles } from './published-files.ts'

async function start(t: { after(run: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), 'cellplane-files-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, BASE_FILE)
  return {
    /** What is in the file after a replica that found this text there publishes that base. */
    async after(found: string, base: string): Promise<string> {
      await writeFile(file, found)
      const published = createPublished(keys, fleet.fleet)
      assert.ok(published.takeBase(base).ok)
      const files = createPublishedFiles(folder)
      await files.sync(published)
      await files.sync(published)
      return readFile(file, 'utf8')
    },
  }
}

test('what is ahead of the store stays, as a witness, until a base of the epoch that begins for it is out', async (t) => {
  const { after } = await start(t)
  const ahead = publishedText(7)
  assert.equal(await after(ahead, publishedText(6)), ahead)
  const other = publishedText(7, { reason: 'pin' })
  assert.equal(await after(ahead, other), ahead)
  const next = publishedText(1, { epoch: 2 })
  assert.equal(await after(ahead, next), next)
})

test('what is older, forged or cut off is replaced', async (t) => {
  const { after } = await start(t)
  const base = publishedText(6)
  const forged = publishedText(7).replace('"version":7', '"version":8')
  for (const found of [publishedText(5), base, forged, publishedText(7).slice(0, 500), '{}']) {
    assert.equal(await after(found, base), base)
  }
})
