import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { QUARANTINE_POLICY } from './policy.ts'

const DOCUMENT = new URL('../../../../docs/quarantine.md', import.meta.url)

test('the numbers are those of docs/quarantine.md', () => {
  const rows = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `(\w+)` \| ([\d.]+) \|/gm)]
  const told = Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]))
  assert.deepEqual(told, { ...QUARANTINE_POLICY })
})
