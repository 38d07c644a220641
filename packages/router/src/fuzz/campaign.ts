/**
 * A campaign: cases by ascending seed until the time or the number is used up, counted, and every failure made small.
 * A case is made from its seed and the corpus, so a failure is made again by its seed while the corpus stays as it is.
 */
import { checkCase, type Kind, makeCase, type Verdict } from './cases.ts'
import type { EndToEnd } from './end-to-end.ts'
import { readWithLlhttp } from './llhttp.ts'
import { NodeServer } from './node-http.ts'
import { type RequestParts, readWithRouter } from './router-requests.ts'
import { shrink } from './shrink.ts'

export type Finding = {
  in: Kind | 'node-http' | 'end-to-end'
  seed: number
  why: string
  /** As small as it could be made. */
  text: string
  verdict: Verdict
}

export type Budget = { seed: number; cases: number; seconds?: number }

export type Count = {
  cases: number
  casesPerSecond: number
  router: Record<Verdict, number>
  llhttp: Record<Verdict, number>
  findings: Finding[]
}

/** A defect is usually found over and over: more findings say nothing more. */
const FINDINGS_MAX = 5

/** The properties without sockets. `known` are texts to start from besides the grammar's. */
export function fuzzReading(
  kind: Kind,
  budget: Budget,
  known: readonly string[],
  parts?: RequestParts,
): Count {
  const count = newCount()
  const clock = startClock(budget)
  for (let seed = budget.seed; clock.goesOn(count); seed++) {
    const text = makeCase(kind, seed, known)
    const { router, llhttp, why } = checkCase(kind, text, seed, parts)
    count.cases++
    count.router[router]++
    count.llhttp[llhttp]++
    if (why === '') continue
    const small = shrink(text, (smaller) => checkCase(kind, smaller, seed, parts).why !== '')
    const checked = checkCase(kind, small, seed, parts)
    count.findings.push({ in: kind, seed, why: checked.why, text: small, verdict: checked.router })
  }
  return clock.finish(count)
}

/** What the router accepts, before a server of node:http. */
export async function fuzzNodeHttp(budget: Budget, known: readonly string[]): Promise<Count> {
  const server = new NodeServer()
  const count = newCount()
  const clock = startClock(budget)
  for (let seed = budget.seed; clock.goesOn(count); seed++) {
    const text = makeCase('requests', seed, known)
    const checked = checkCase('requests', text, seed)
    const bytes = Buffer.from(text, 'latin1')
    const why = await server.disagreement(
      readWithRouter([bytes]),
      readWithLlhttp(bytes, { kind: 'requests' }),
      bytes,
    )
    count.cases++
    count.router[checked.router]++
    count.llhttp[checked.llhttp]++
    if (why !== '') count.findings.push({ in: 'node-http', seed, why, text, verdict: checked.router })
  }
  return clock.finish(count)
}

/** `arrived`: requests that reached the cells. */
export async function fuzzEndToEnd(
  fleet: EndToEnd,
  budget: Budget,
  known: readonly string[],
): Promise<Count & { arrived: number }> {
  const count = { ...newCount(), arrived: 0 }
  const clock = startClock(budget)
  for (let seed = budget.seed; clock.goesOn(count); seed++) {
    const text = makeCase('requests', seed, known)
    const checked = checkCase('requests', text, seed)
    const { why, arrived } = await fleet.run(text, seed)
    count.cases++
    count.router[checked.router]++
    count.llhttp[checked.llhttp]++
    count.arrived += arrived
    if (why !== '') count.findings.push({ in: 'end-to-end', seed, why, text, verdict: checked.router })
  }
  return clock.finish(count)
}

function newCount(): Count {
  const none = () => ({ accepted: 0, refused: 0, incomplete: 0 })
  return { cases: 0, casesPerSecond: 0, router: none(), llhttp: none(), findings: [] }
}

function startClock({ cases, seconds = Number.POSITIVE_INFINITY }: Budget) {
  const startedAt = performance.now()
  const elapsed = () => (performance.now() - startedAt) / 1000
  return {
    goesOn: (count: Count) =>
      count.cases < cases && count.findings.length < FINDINGS_MAX && elapsed() < seconds,
    finish: <T extends Count>(count: T): T => ({
      ...count,
      casesPerSecond: Math.round(count.cases / elapsed()),
    }),
  }
}
