#!/usr/bin/env node
/**
 * `npm run fuzz:http -- --seconds 60 --seed 7 --json --save`: the router's reading of HTTP/1.1 against llhttp and
 * node:http, for as long as asked. `--seed` with `--cases 1` makes one case again. `--save` writes what was found to the
 * corpus. The process ends with 1 when something was found.
 */
import { parseArgs } from 'node:util'
import { type Count, fuzzEndToEnd, fuzzNodeHttp, fuzzReading } from './campaign.ts'
import { readCorpus, saveCase, textsOf } from './corpus.ts'
import { startEndToEnd } from './end-to-end.ts'

/** How the time is divided: most of it to what runs fastest. */
const SHARES = { requests: 0.4, answers: 0.2, nodeHttp: 0.15, endToEnd: 0.25 }

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    cases: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
})
const seconds = numberOf('seconds')
const seed = numberOf('seed')
const budget = (share: number) => ({ seed, cases: numberOf('cases'), seconds: seconds * share })

// A crash of the router is a finding too; it ends this process, which must then say how to make it again.
process.once('uncaughtException', (error) => {
  console.error(`the router crashed in the run with --seed ${seed}:`, error)
  process.exit(1)
})

const corpus = readCorpus()
const requests = textsOf(corpus, 'requests')
const counts: Record<string, Count> = {
  requests: fuzzReading('requests', budget(SHARES.requests), requests),
  answers: fuzzReading('answers', budget(SHARES.answers), textsOf(corpus, 'answers')),
  nodeHttp: await fuzzNodeHttp(budget(SHARES.nodeHttp), requests),
}
const fleet = await startEndToEnd()
counts['endToEnd'] = await fuzzEndToEnd(fleet, budget(SHARES.endToEnd), requests).finally(() => fleet.stop())

const findings = Object.values(counts).flatMap((count) => count.findings)
if (values.save)
  for (const { in: where, seed: at, why, text, verdict } of findings) save(where, at, why, text, verdict)
if (values.json) console.log(JSON.stringify({ seed, seconds, ...counts }, null, 2))
else print()
process.exitCode = findings.length > 0 ? 1 : 0

function save(
  where: string,
  at: number,
  why: string,
  text: string,
  verdict: 'accepted' | 'refused' | 'incomplete',
) {
  saveCase(where === 'answers' ? 'answers' : 'requests', { name: `seed ${at}: ${why}`, verdict, text })
}

function print(): void {
  console.log(`seed ${seed}`)
  for (const [name, { cases, casesPerSecond, router, llhttp }] of Object.entries(counts)) {
    console.log(
      `${name}: ${cases} cases, ${casesPerSecond}/s; router ${format(router)}; llhttp ${format(llhttp)}`,
    )
  }
  for (const { in: where, seed: at, why, text } of findings) {
    console.log(`\n${where}, --seed ${at} --cases 1: ${why}\n  ${JSON.stringify(text)}`)
  }
  console.log(findings.length === 0 ? 'nothing found' : `\n${findings.length} found`)
}

function format(verdicts: Record<string, number>): string {
  return Object.entries(verdicts)
    .map(([verdict, times]) => `${times} ${verdict}`)
    .join(', ')
}

function numberOf(name: 'seconds' | 'cases' | 'seed'): number {
  const number = Number(values[name])
  if (number >= 0) return number
  console.error(`--${name} is "${values[name]}"; give a number from 0`)
  process.exit(2)
}
