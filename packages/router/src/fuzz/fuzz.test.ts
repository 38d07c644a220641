import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { headerValue, REFUSED } from '../http/head-scan.ts'
import { REQUEST, scanRequest } from '../http/request-scan.ts'
import { formatCellRequest } from '../serve/cell-request.ts'
import { type Count, fuzzEndToEnd, fuzzNodeHttp, fuzzReading } from './campaign.ts'
import { checkCase, circumstancesOf } from './cases.ts'
import { readCorpus, textsOf } from './corpus.ts'
import { type EndToEnd, startEndToEnd } from './end-to-end.ts'
import type { RequestParts } from './router-requests.ts'

const corpus = readCorpus()
const requests = textsOf(corpus, 'requests')
const answers = textsOf(corpus, 'answers')

const FIXED_SEEDS = [1, 1_000_003]
const FRESH_SEED = Date.now() % 2 ** 31
const CASES = 2_000
/** Below this share of accepted or of refused cases, a generator tests one half of the scanner only. */
const SHARE_MIN = 0.2
/** Of fewer, chance alone takes the share of those accepted below the bound now and then. */
const CASES_END_TO_END = 1_000
/** A planted defect shows in one case of some thousands; the campaign ends when it has enough of them. */
const CASES_PLANTED = 50_000

function assertClean({ findings, cases, router }: Count): void {
  assert.deepEqual(
    findings.map((finding) => ({
      ...finding,
      replay: `npm run fuzz:http -- --seed ${finding.seed} --cases 1`,
    })),
    [],
  )
  for (const verdict of ['accepted', 'refused'] as const) {
    assert.ok(router[verdict] >= SHARE_MIN * cases, `${router[verdict]} of ${cases} cases were ${verdict}`)
  }
}

describe('the corpus', () => {
  for (const [id, { title, kind, cases }] of corpus) {
    test(`${id}: ${title}`, () => {
      for (const { name, verdict, text } of cases) {
        // The seed also chooses the pieces, and what an answer is to.
        for (let seed = 0; seed < 20; seed++) {
          const { router, why } = checkCase(kind, text.join(''), seed)
          assert.equal(why, '', `${name}, seed ${seed}`)
          // The verdict on an answer is that on one to GET.
          const isHead = kind === 'answers' && circumstancesOf(seed).isHead
          if (!isHead) assert.equal(router, verdict, `${name}, seed ${seed}`)
        }
      }
    })
  }
})

describe('what the router accepts, llhttp accepts and reads alike; what it sends on is that one message', () => {
  for (const seed of [...FIXED_SEEDS, FRESH_SEED]) {
    test(`requests, from seed ${seed}`, () => {
      assertClean(fuzzReading('requests', { seed, cases: CASES }, requests))
    })
    test(`answers, from seed ${seed}`, () => {
      assertClean(fuzzReading('answers', { seed, cases: CASES }, answers))
    })
  }
})

test(`what the router accepts, a server of node:http reads alike; from seed ${FRESH_SEED}`, async () => {
  assertClean(await fuzzNodeHttp({ seed: FRESH_SEED, cases: 1_000 }, requests))
})

describe('through a running router', () => {
  let fleet: EndToEnd
  before(async () => {
    fleet = await startEndToEnd()
  })
  after(() => fleet.stop())

  for (const seed of [FIXED_SEEDS[0]!, FRESH_SEED]) {
    test(`cells get whole requests that the client sent, and good ones are served after bad ones; from seed ${seed}`, async () => {
      const count = await fuzzEndToEnd(fleet, { seed, cases: CASES_END_TO_END }, requests)
      assertClean(count)
      assert.ok(count.arrived > count.router.accepted / 2, `${count.arrived} requests reached the cells`)
    })
  }
})

describe('a planted defect is found', () => {
  const planted: Record<string, Partial<RequestParts>> = {
    'a list of lengths that passes as its first': {
      scanRequest(scan, bytes, start, limit) {
        const end = scanRequest(scan, bytes, start, limit)
        if (end !== REFUSED || !scan.problem.includes('one decimal number')) return end
        const text = Buffer.from(bytes).toString('latin1')
        const [, first] = /^(\d{1,9}) *,/.exec(headerValue(scan, text, REQUEST.contentLength) ?? '') ?? []
        if (first === undefined) return end
        scan.bodyLength = Number(first)
        return scan.end
      },
    },
    'a space before a colon that passes': {
      scanRequest(scan, bytes, start, limit) {
        const text = Buffer.from(bytes).toString('latin1')
        const joined = text.replace(/(\r\n[\w-]+) :/g, '$1_:')
        return scanRequest(scan, Buffer.from(joined, 'latin1'), start, limit)
      },
    },
    'a header of the connection that goes on to the cell': {
      formatCellRequest: (from, to) =>
        formatCellRequest(from, to).replace('\r\n', '\r\nConnection: x-drop\r\n'),
    },
  }
  for (const [what, parts] of Object.entries(planted)) {
    test(what, () => {
      const all = { scanRequest, formatCellRequest, ...parts }
      // Without the corpus, which has these cases.
      const { findings } = fuzzReading('requests', { seed: FRESH_SEED, cases: CASES_PLANTED }, [], all)
      assert.ok(findings.length > 0, `not found in ${CASES_PLANTED} cases from seed ${FRESH_SEED}`)
      assert.ok(findings[0]!.text.length < 400, `not made small: ${JSON.stringify(findings[0]!.text)}`)
    })
  }
})
