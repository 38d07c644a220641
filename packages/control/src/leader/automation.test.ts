import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAutomation } from './automation.ts'

function start() {
  const told: [string, string | null, string][] = []
  return { told, automation: createAutomation((...change) => told.push(change)) }
}

test('what does not work is a problem and no freeze; what is held back on purpose is a freeze and no problem', () => {
  const { automation } = start()
  automation.report('s3', 'access denied')
  assert.deepEqual(automation.view(), { is_frozen: false, reason: '', problems: ['access denied'] })
  automation.report('health', '3 of 4 cells look unhealthy', 'freeze')
  automation.report('s3', null)
  assert.deepEqual(automation.view(), {
    is_frozen: true,
    reason: '3 of 4 cells look unhealthy',
    problems: [],
  })
  automation.clear()
  assert.deepEqual(automation.view(), { is_frozen: false, reason: '', problems: [] })
})

test('a database that is gone is one problem, though every part says so', () => {
  const { automation } = start()
  for (const part of ['cells', 'base', 'orders']) automation.report(part, 'the database does not answer')
  assert.deepEqual(automation.view().problems, ['the database does not answer'])
  automation.report('cells', null)
  assert.equal(automation.view().problems.length, 1, 'until the last of them can do its work')
})

test('each reason is told once, with its kind, and so is its end', () => {
  const { told, automation } = start()
  for (let run = 0; run < 3; run++) automation.report('base', 'over the budget', 'freeze')
  automation.report('base', 'the database does not answer')
  for (let run = 0; run < 3; run++) automation.report('base', null)
  assert.deepEqual(told, [
    ['base', 'over the budget', 'freeze'],
    ['base', 'the database does not answer', 'problem'],
    ['base', null, 'problem'],
  ])
})
