#!/usr/bin/env node
/**
 * `npm run fuzz:http -- --seconds 60 --seed 7 --json --save`: the router's reading of HTTP/1.1 against llhttp and
 * node:http, for as long as asked. `--seed` with `--cases 1` makes one case again. `--save` writes what was found to the
 * corpus. The process ends with 1 when something was found.
 */
import { flag, number, readFlags } from '@cellplane/testing/flags'
import { type Count, fuzzEndToEnd, fuzzNodeHttp, fuzzReading } from './campaign.ts'
import { readCorpus, saveCase, textsOf } from './corpus.ts'
import { startEndToEnd } from './end-to-end.ts'

/** How the time is divided: most of it to what runs fastest. */
const SHARES = { requests: 0.4, answers: 0.2, nodeHttp: 0.15, endToEnd: 0.25 }

const { seconds, cases, json, save, ...given } = readFlags({
  command: 'npm run fuzz:http --',
  about:
    'Compares how the router reads HTTP/1.1 with llhttp and node:http. Ends with 1 when something was found.',
  flags: {
    seconds: number(60, 'for how long', { least: 0 }),
    cases: number(undefined, 'at most so many cases of each kind', { least: 1, isWhole: true }),
    seed: number(undefined, 'the first case’s; with --cases 1 it is made again', { least: 0, isWhole: true }),
    json: flag('print JSON'),
    save: flag('write what was found to the corpus'),
  },
})
const seed = given.seed ?? Date.now() % 2 ** 31
const budget = (share: number) => ({
  seed,
  cases: cases ?? Number.POSITIVE_INFINITY,
  seconds: seconds * share,
})

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
if (save)
  for (const { in: where, seed: at, why, text, verdict } of findings) keep(where, at, why, text, verdict)
if (json) console.log(JSON.stringify({ seed, seconds, ...counts }, null, 2))
else print()
process.exitCode = findings.length > 0 ? 1 : 0

function keep(
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
