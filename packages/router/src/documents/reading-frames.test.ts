import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { problem, refused } from '@cellplane/contract'
import { TOPOLOGY_UNREADABLE } from './read-document.ts'
import { answerFrames, answerReader, orderFrames, parseOrder, READING_FORMAT } from './reading-frames.ts'

const ORDER = { kind: 'base', held: null, fleet: 'shop', keys: new Map() } as const
const REFUSAL = refused(problem('SOME_CODE', '', 'some message'))
const REPLACED = new RegExp(`^${TOPOLOGY_UNREADABLE} .*replaced under the running router; restart it`)

/** What code of another version would have sent. */
function inOtherFormat(frames: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(frames)
  bytes.writeUInt32BE(READING_FORMAT + 1)
  return bytes
}

/** As the router reads it when it comes in parts of so many bytes. */
function readAnswer(bytes: Buffer, partBytes = bytes.length) {
  const reader = answerReader<'base'>()
  for (let at = 0; at < bytes.length; at += partBytes) reader.add(bytes.subarray(at, at + partBytes))
  return reader.answer()
}

function refusalOf(bytes: Buffer): string {
  const answer = readAnswer(bytes)
  assert.ok(answer && !answer.ok)
  return `${answer.problems[0]!.code} ${answer.problems[0]!.message}`
}

describe('what the router and its reading process say to each other', () => {
  test('is an order with its document', () => {
    const text = 'a document, ä'
    const parsed = parseOrder(Buffer.concat(orderFrames(ORDER, [Buffer.from(text)])))
    assert.deepEqual(parsed, { order: { kind: 'base', held: null, fleet: 'shop', jwks: { keys: [] } }, text })
  })

  test('is an answer, in whatever parts it comes, and nothing unless it is whole', () => {
    const bytes = Buffer.concat(answerFrames(REFUSAL))
    for (const partBytes of [1, 5, 9, bytes.length]) assert.deepEqual(readAnswer(bytes, partBytes), REFUSAL)
    for (const end of [0, 3, 8, bytes.length - 1]) assert.equal(readAnswer(bytes.subarray(0, end)), undefined)
  })

  test('is not understood in another format: by the router', () => {
    assert.match(refusalOf(inOtherFormat(answerFrames(REFUSAL))), REPLACED)
  })

  test('is not understood in another format: by the process', async () => {
    const process_ = fileURLToPath(new URL('./reading-process.ts', import.meta.url))
    const child = spawn(process.execPath, [process_], { stdio: ['pipe', 'pipe', 'inherit'] })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.stdin.end(inOtherFormat(orderFrames(ORDER, [Buffer.from('{}')])))
    assert.deepEqual(await once(child, 'close'), [0, null])
    assert.match(refusalOf(Buffer.concat(parts)), REPLACED)
  })
})
