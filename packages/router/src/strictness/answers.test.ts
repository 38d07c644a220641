import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { RawConnection } from '../testing/raw-cell.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { type AnswerCase, CUT_ANSWERS, DISCARDING_ANSWERS, REFUSED_ANSWERS, THEN } from './cell-answers.ts'
import { GOOD, type Ground, head, startGround } from './ground.ts'
import { casesOf, type Row } from './specification.ts'

/** Longer than any wait here. */
const PATIENCE_MS = 600_000

let ground: Ground
before(async () => {
  // A connection is closed by what a case does, and not because time passes.
  ground = await startGround({ limits: { response_timeout_ms: PATIENCE_MS, idle_timeout_ms: PATIENCE_MS } })
})
beforeEach(() => ground.cell.reset())
after(() => ground.stop())

const REQUEST = head('GET /asked')

/** A client whose request the cell has, and the connection that it came on. */
async function ask(request = REQUEST): Promise<{ client: RawClient; asked: RawConnection }> {
  const { cell } = ground
  cell.reset()
  let asked: RawConnection | undefined
  cell.onHead = (connection) => {
    asked = connection
  }
  cell.answer = () => undefined
  const client = await connectRaw(ground.port)
  client.write(request)
  return { client, asked: await until('the request at the cell', () => asked) }
}

/**
 * The next request is answered on another connection, with its own answer, and the one before is closed. In this order:
 * one that is wrongly kept would be closed as well, once it has been idle for a while.
 */
async function assertDiscarded(asked: RawConnection, what: string): Promise<void> {
  const { cell } = ground
  cell.onHead = () => {}
  cell.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext'
  const client = await connectRaw(ground.port)
  client.write(GOOD)
  assert.equal((await client.answers('GET'))[0]!.body, 'next', what)
  client.destroy()
  assert.ok(!asked.received.includes('/good'), `${what}: the next request on the same connection`)
  await until(`${what}: the cell’s connection to be closed`, () => !asked.isOpen)
}

async function checkRefused(row: Row, { answers, isEnded, isAtOnce }: AnswerCase): Promise<void> {
  for (const text of answers) {
    const what = JSON.stringify(text.slice(0, 100))
    // The first bytes one by one; what is long is so in one place.
    const inBytes = [...text.slice(0, 200), text.slice(200)]
    for (const pieces of isAtOnce ? [[text]] : [[text], inBytes]) {
      const { client, asked } = await ask()
      await asked.writePieces(pieces)
      if (isEnded) asked.end()
      const [answer] = await client.answers('GET')
      assert.equal(answer!.status, row.status, what)
      assert.equal(JSON.parse(answer!.body).code, row.code, what)
      assert.doesNotMatch(
        answer!.head,
        /^connection: close\r$/im,
        `${what}: the client’s connection is not to blame`,
      )
      client.destroy()
      await assertDiscarded(asked, what)
    }
  }
}

async function checkCut(row: Row, { answers, isEnded }: AnswerCase): Promise<void> {
  assert.equal(row.status, 0)
  for (const text of answers) {
    const what = JSON.stringify(text)
    const [first, second] = text.split(THEN)
    const { client, asked } = await ask()
    asked.write(first!)
    await client.receives('hello')
    asked.write(second!)
    if (isEnded) asked.end()
    await client.closed()
    await assert.rejects(client.answers('GET'), what)
    await assertDiscarded(asked, what)
  }
}

async function checkDiscarded(row: Row, { answers }: AnswerCase): Promise<void> {
  for (const text of answers) {
    const what = JSON.stringify(text)
    const [first, later] = text.split(THEN)
    const { client, asked } = await ask()
    asked.write(first!)
    const [answer] = await client.answers('GET')
    assert.equal(answer!.status, row.status, what)
    assert.equal(answer!.body, 'ok', what)
    assert.doesNotMatch(answer!.head, /^connection:/im, `${what}: the client’s connection goes on`)
    if (later) asked.write(later)
    await assertDiscarded(asked, what)
    // On the client's side nothing of the excess is seen.
    client.write(GOOD)
    assert.equal((await client.answers('GET', 'GET'))[1]!.body, 'next', what)
    client.destroy()
  }
}

/** What a cell did right, and a client or the order of things made useless. */
const SITUATIONS: Readonly<Record<string, (row: Row) => Promise<void>>> = {
  async 'answer-early'(row) {
    const { client, asked } = await ask(`${head('POST /', 'content-length: 10')}hello`)
    asked.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nmuch')
    const [answer] = await client.answers('POST')
    assert.equal(answer!.status, row.status)
    assert.equal(answer!.body, 'much')
    assert.match(answer!.head, /^connection: close\r$/m)
    client.write('world')
    await client.closed()
    await assertDiscarded(asked, 'early')
  },
  async 'answer-early-then-all'(row) {
    const { client, asked } = await ask(`${head('POST /', 'content-length: 10')}hello`)
    asked.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nea')
    await client.receives('ea')
    client.write('world')
    await until('the whole request', () => asked.received.endsWith('helloworld'))
    asked.write('rl')
    const [answer] = await client.answers('POST')
    assert.equal(answer!.status, row.status)
    await client.closed()
  },
  async 'client-abort'(row) {
    assert.equal(row.status, 0)
    const waiting = await ask()
    waiting.client.reset()
    await assertDiscarded(waiting.asked, 'while it waits')

    const sending = await ask(`${head('POST /', 'content-length: 10')}hello`)
    sending.client.reset()
    await assertDiscarded(sending.asked, 'in the middle of its request')

    const halfClosing = await ask(`${head('POST /', 'content-length: 10')}hello`)
    halfClosing.client.end()
    await halfClosing.client.closed()
    assert.equal(halfClosing.client.received, '')
    await assertDiscarded(halfClosing.asked, 'ends before its request does')

    const reading = await ask()
    reading.asked.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello')
    await reading.client.receives('hello')
    reading.client.reset()
    await assertDiscarded(reading.asked, 'in the middle of its answer')
  },
}

describe('a cell’s answer:', () => {
  const checks: Record<string, (row: Row) => Promise<void>> = { ...SITUATIONS }
  for (const [id, found] of Object.entries(REFUSED_ANSWERS)) checks[id] = (row) => checkRefused(row, found)
  for (const [id, found] of Object.entries(CUT_ANSWERS)) checks[id] = (row) => checkCut(row, found)
  for (const [id, found] of Object.entries(DISCARDING_ANSWERS))
    checks[id] = (row) => checkDiscarded(row, found)
  for (const [row, check] of casesOf('Answers of cells', checks)) {
    test(`${row.id}: ${row.title}`, () => check(row))
  }
})
