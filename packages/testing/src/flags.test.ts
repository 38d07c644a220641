import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flag, number, parseFlags, text } from './flags.ts'

const SCRIPT = {
  command: 'npm run fuzz --',
  about: 'Fuzzes.',
  flags: {
    seconds: number(60, 'for how long', { least: 1, most: 600 }),
    seed: number(undefined, 'of the first case', { least: 0, isWhole: true }),
    out: text('FOLDER', 'where findings go'),
    json: flag('print JSON'),
  },
}

const refusalOf = (...args: string[]) => {
  const parsed = parseFlags(SCRIPT, args)
  assert.ok('print' in parsed && parsed.isRefusal, JSON.stringify(parsed))
  return parsed.print
}

test('what is given has its type, what is not has its default', () => {
  assert.deepEqual(parseFlags(SCRIPT, ['--seed', '7', '--json', '--out=x']), {
    values: { seconds: 60, seed: 7, out: 'x', json: true },
  })
  assert.deepEqual(parseFlags(SCRIPT, []), {
    values: { seconds: 60, seed: undefined, out: undefined, json: false },
  })
})

test('--help prints the usage, and is no refusal', () => {
  const parsed = parseFlags(SCRIPT, ['--help', '--json'])
  assert.deepEqual(parsed, {
    isRefusal: false,
    print: `Usage: npm run fuzz -- [flags]

Fuzzes.

  --seconds N   for how long (default: 60)
  --seed N      of the first case
  --out FOLDER  where findings go
  --json        print JSON
  --help        print this`,
  })
})

test('what is unknown, lacks its value or has a wrong one is refused with the usage', () => {
  assert.match(refusalOf('--sed', '7'), /^Unknown option '--sed'\n\nUsage: /)
  assert.match(refusalOf('seven'), /^Unexpected argument 'seven'/)
  assert.match(refusalOf('--json=yes'), /^Option '--json' does not take an argument\n/)
  assert.match(refusalOf('--out'), /^Option '--out <value>' argument missing\n/)
  for (const seed of ['', 'x', '-1', '1.5', 'Infinity'])
    assert.match(refusalOf(`--seed=${seed}`), /^--seed is ".*"; expected a whole number from 0\n/)
  for (const seconds of ['0.5', '601'])
    assert.match(refusalOf('--seconds', seconds), /^--seconds is ".*"; expected a number from 1 to 600\n/)
})
