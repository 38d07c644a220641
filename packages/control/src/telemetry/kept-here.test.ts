/** What a replica says of the journal of its metrics when the disk is not as it should be. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keepHere } from './kept-here.ts'

const START = Date.UTC(2026, 0, 1)
const LOST = 'fine-2025-12-31T23.jsonl'

function ground(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-kept-'))
  t.after(() => rmSync(folder, { recursive: true }))
  let now = START
  let problem: string | null = null
  return {
    folder,
    problem: () => problem,
    start: (journalDir = folder) =>
      keepHere({
        ...{ journalDir, cellOf: () => 'cell-001', now: () => now, steadyNow: () => now },
        ...{ uptimeMs: () => 0, logger: { info() {} }, routers: { areHeardThroughout: () => true } },
        onJournal(reason) {
          problem = reason
        },
      }),
    /** A step with something in it, that is over. */
    async passStep(keeper: ReturnType<typeof keepHere>): Promise<void> {
      keeper.recordLevels(new Map([[0, 1]]))
      now += 20_000
      await keeper.save()
    },
  }
}

test('a file that cannot be read is a problem until it is gone, and metrics are kept meanwhile', async (t) => {
  const { folder, problem, start, passStep } = ground(t)
  // Stands for a disk with a bad block.
  mkdirSync(join(folder, LOST))
  writeFileSync(join(folder, 'fine-2025-12-31T22.jsonl'), '')
  const keeper = start()
  await keeper.restored
  await passStep(keeper)
  assert.match(problem()!, /^metrics of before the start are incomplete: .* the first is fine-2025-12-31T23/)
  rmdirSync(join(folder, LOST))
  await passStep(keeper)
  assert.equal(problem(), null)
})

test('a disk that takes nothing is a problem until it does', async (t) => {
  const { folder, problem, start, passStep } = ground(t)
  const keeper = start()
  await keeper.restored
  await passStep(keeper)
  assert.equal(problem(), null)
  // Stands for a disk that is full.
  rmSync(folder, { recursive: true })
  await passStep(keeper)
  assert.match(problem()!, /^metrics of now would be lost by a restart: .*ENOENT/)
  mkdirSync(folder)
  await passStep(keeper)
  assert.equal(problem(), null)
})

test('a folder that cannot be had is a problem that lasts', async (t) => {
  const { folder, problem, start, passStep } = ground(t)
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const keeper = start(file)
  await keeper.restored
  await passStep(keeper)
  assert.match(problem()!, /^metrics would be lost by a restart: .* cannot be opened \(EEXIST/)
})
