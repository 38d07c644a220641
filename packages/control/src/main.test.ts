import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startTestPostgres } from '@cellplane/postgres'
import { createControlFixture } from './fixtures/control-fixture.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** The process, once it has logged where it listens. */
async function startMain(config: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.includes('control plane listens')) break
  }
  child.stdout!.resume()
  return child
}

test('the process stops by itself on SIGTERM, and when its parent is gone', async (t) => {
  const postgres = await startTestPostgres()
  t.after(() => postgres.stop())
  const fixture = await createControlFixture(postgres.url)
  t.after(fixture.remove)
  const file = fixture.file('control.json')
  await writeFile(file, JSON.stringify({ ...fixture.configFile, parent_bound: true }))
  const ends: ((child: ChildProcess) => void)[] = [
    (child) => child.kill('SIGTERM'),
    (child) => child.disconnect(),
  ]
  for (const end of ends) {
    const child = await startMain(file)
    const ended = once(child, 'exit')
    end(child)
    assert.deepEqual(await ended, [0, null])
  }
})
