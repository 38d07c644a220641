/** One case: a text through all properties of its kind. The seed decides the pieces, and the circumstances of answers. */
import { dependenceOnPieces, disagreement } from './agreement.ts'
import { wrongInForwardedAnswer, wrongInForwardedRequest } from './forwarding.ts'
import { generateAnswers, generateRequests } from './generate.ts'
import { readWithLlhttp } from './llhttp.ts'
import type { Reading } from './message.ts'
import { cut, mutate } from './mutate.ts'
import { Random } from './random.ts'
import { type AnswerCircumstances, readAnswersWithRouter } from './router-answers.ts'
import { type RequestParts, readWithRouter } from './router-requests.ts'

export type Kind = 'requests' | 'answers'

/** `incomplete`: nothing is wrong, and the last message is not whole. */
export type Verdict = 'accepted' | 'refused' | 'incomplete'

export type Checked = {
  router: Verdict
  llhttp: Verdict
  /** Which property does not hold, and how; empty when all hold. */
  why: string
}

export function makeCase(kind: Kind, seed: number, known: readonly string[]): string {
  const random = new Random(seed)
  const generate = kind === 'requests' ? generateRequests : generateAnswers
  const text = known.length > 0 && random.once(4) ? random.pick(known) : generate(random)
  return random.once(2) ? mutate(random, text) : text
}

export function checkCase(kind: Kind, text: string, seed: number, parts?: RequestParts): Checked {
  return kind === 'requests' ? checkRequests(text, seed, parts) : checkAnswers(text, seed)
}

function checkRequests(text: string, seed: number, parts?: RequestParts): Checked {
  const bytes = Buffer.from(text, 'latin1')
  const router = readWithRouter([bytes], parts)
  const llhttp = readWithLlhttp(bytes, { kind: 'requests' })
  let why = disagreement(router, llhttp)
  why ||= dependenceOnPieces(router, readWithRouter(cut(new Random(seed), bytes), parts))
  for (const [i, forwarded] of router.forwarded.entries()) {
    why ||= wrongInForwardedRequest(router.messages[i]!, forwarded)
  }
  return { router: verdictOf(router), llhttp: verdictOf(llhttp), why }
}

export function circumstancesOf(seed: number): AnswerCircumstances {
  const random = new Random(seed)
  return { isHead: random.once(8), hasEnded: random.once(2), clientMinor: random.once(4) ? 0 : 1 }
}

function checkAnswers(text: string, seed: number): Checked {
  const circumstances = circumstancesOf(seed)
  const bytes = Buffer.from(text, 'latin1')
  const router = readAnswersWithRouter([bytes], circumstances)
  const llhttp = readWithLlhttp(bytes, { kind: 'answers', ...circumstances })
  let why = disagreement(router, llhttp)
  why ||= dependenceOnPieces(router, readAnswersWithRouter(cut(new Random(seed), bytes), circumstances))
  // Asked for by HTTP/1.1 only.
  const isSwitch = router.messages.at(-1)?.status === 101 && circumstances.clientMinor === 1
  if (verdictOf(router) === 'accepted' || isSwitch) {
    why ||= wrongInForwardedAnswer(router.messages, router.forwarded, circumstances)
  }
  return { router: verdictOf(router), llhttp: verdictOf(llhttp), why }
}

function verdictOf({ messages, problem }: Reading): Verdict {
  if (problem !== '') return 'refused'
  const last = messages.at(-1)
  const isWhole = last !== undefined && last.end >= 0
  // After an interim answer the final one is still to come.
  return isWhole && (last.status === 0 || last.status >= 200) ? 'accepted' : 'incomplete'
}
