import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { connectRaw, type RawReceived } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { GOOD, type Ground, startGround } from './ground.ts'
import { REFUSED_BODIES } from './refused-bodies.ts'
import { REFUSED_HEADS, type RefusedCase } from './refused-heads.ts'
import { casesOf, type Row } from './specification.ts'

let ground: Ground
before(async () => {
  ground = await startGround()
})
beforeEach(() => ground.cell.reset())
after(() => ground.stop())

/** Longer ones go in pieces: a packet a byte would take seconds and show nothing more. */
const BYTES_ONE_BY_ONE = 600
const PIECE_BYTES = 251

const pieces = (text: string): string[] => {
  const size = text.length <= BYTES_ONE_BY_ONE ? 1 : PIECE_BYTES
  return text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
}

function assertRefused(row: Row, answer: RawReceived, what: string): void {
  assert.equal(answer.status, row.status, `${what}: ${answer.body}`)
  assert.equal(JSON.parse(answer.body).code, row.code, what)
  assert.match(answer.head, /^content-type: application\/problem\+json\r$/m, what)
}

/** Sends pieces on a connection of their own; the answers are in order, the last is the refusal, and nothing follows. */
async function refusedAfter(
  row: Row,
  sent: readonly string[],
  what: string,
  isKept = false,
): Promise<RawReceived[]> {
  const methods = sent[0]!.startsWith(GOOD) ? ['GET', 'GET'] : ['GET']
  const client = await connectRaw(ground.port)
  if (sent.length === 1) client.write(sent[0]!)
  else await client.writePieces(sent)
  const answers = await client.answers(...methods)
  const last = answers.at(-1)!
  assertRefused(row, last, what)
  if (isKept) {
    assert.doesNotMatch(last.head, /^connection:/im, what)
  } else {
    assert.match(last.head, /^connection: close\r$/m, what)
    await client.closed()
    assert.equal(
      (client.received.match(/HTTP\/1\.1 \d{3} /g) ?? []).length,
      methods.length,
      `${what}: one answer each`,
    )
  }
  client.destroy()
  return answers
}

/**
 * Waits until all that the router has sent has come, and returns what was not of the requests that end this wait.
 * They go the same way after what came before them.
 */
async function reachedCell(): Promise<{ received: string; requests: string[] }> {
  const mark = '/mark'
  const client = await connectRaw(ground.port)
  client.write(GOOD.replace('/good', mark))
  await client.answers('GET')
  client.destroy()
  const marked = ground.cell.requests.find((request) => request.includes(mark))!
  assert.ok(marked)
  return {
    received: ground.cell.received.replace(marked, ''),
    requests: ground.cell.requests.filter((request) => request !== marked),
  }
}

async function assertNothingReached(what: string): Promise<void> {
  const { received, requests } = await reachedCell()
  assert.equal(requests.length, 0, `${what}: requests at the cell`)
  assert.equal(received, '', `${what}: bytes at the cell`)
  ground.cell.reset()
}

async function assertOnlyTheGoodReached(what: string): Promise<void> {
  const { received, requests } = await reachedCell()
  assert.equal(requests.length, 1, `${what}: requests at the cell`)
  assert.match(requests[0]!, /^GET \/good HTTP\/1.1\r\n/, what)
  assert.equal(received, requests[0], `${what}: bytes at the cell`)
  ground.cell.reset()
}

/** The head may have gone on before the fault came. What came of the request is discarded with its connection. */
async function assertNothingWholeReached(what: string): Promise<void> {
  const { received, requests } = await reachedCell()
  assert.deepEqual(requests, [], `${what}: requests at the cell`)
  if (received === '') return ground.cell.reset()
  assert.match(received, /^POST \/ HTTP\/1.1\r\n/, what)
  const discarded = ground.cell.connections.find((connection) => connection.received.includes('POST'))!
  await until(`${what}: the cell’s connection to be closed`, () => !discarded.isOpen)
  ground.cell.reset()
}

async function check(row: Row, { requests, isSplit, isKept }: RefusedCase, isBody: boolean): Promise<void> {
  const afterPieces = isBody ? assertNothingWholeReached : assertNothingReached
  for (const request of requests) {
    const shown = JSON.stringify(request.length > 120 ? `${request.slice(0, 120)}…` : request)
    await refusedAfter(row, [request], `${shown}, alone`, isKept)
    await assertNothingReached(`${shown}, alone`)

    const [good] = await refusedAfter(row, [GOOD + request], `${shown}, pipelined`, isKept)
    assert.equal(good!.status, 200, `${shown}: the good request before it is answered first`)
    await assertOnlyTheGoodReached(`${shown}, pipelined`)

    await refusedAfter(row, pieces(request), `${shown}, in small pieces`, isKept)
    await afterPieces(`${shown}, in small pieces`)

    for (let at = 1; isSplit && request === requests[0] && at < request.length; at++) {
      const halves = [request.slice(0, at), request.slice(at)]
      await refusedAfter(row, halves, `${shown}, cut at ${at}`, isKept)
    }
    if (isSplit && request === requests[0]) await afterPieces(`${shown}, cut in two`)
  }
}

describe('a request is refused:', () => {
  const all = { ...REFUSED_HEADS, ...REFUSED_BODIES }
  for (const [row, refused] of casesOf('Refused', all)) {
    test(`${row.id}: ${row.title}`, () => check(row, refused, row.id in REFUSED_BODIES))
  }
})
