import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { connectRaw } from '../testing/raw-client.ts'
import { GOOD, type Ground, startGround } from './ground.ts'
import { NORMALISED_REQUESTS, type NormalisedCase } from './normalised-requests.ts'
import { casesOf, type Row } from './specification.ts'

/** By policy about the client's own headers: the configuration is read once, at a router's start. */
const grounds = new Map<NormalisedCase['clientHeaders'], Ground>()

before(async () => {
  for (const { clientHeaders } of Object.values(NORMALISED_REQUESTS)) {
    if (grounds.has(clientHeaders)) continue
    grounds.set(clientHeaders, await startGround(clientHeaders ? { client_headers: clientHeaders } : {}))
  }
})
beforeEach(() => {
  for (const { cell } of grounds.values()) cell.reset()
})
after(() => Promise.all([...grounds.values()].map((ground) => ground.stop())))

/** New with every request, and so no part of a comparison. */
const withoutIds = (request: string) => request.replace(/^(x-request-id|traceparent): .*\r\n/gim, '')

/** Chunks end where the packets did; their data does not. */
const withoutChunks = (request: string) => request.replace(/^[0-9a-f]+\r\n/gim, '').replaceAll('\r\n', '')

/** The one request that the cell was sent for these pieces, after `before`. */
async function sentToCell(
  { port, cell }: Ground,
  row: Row,
  sent: readonly string[],
  before = '',
): Promise<string> {
  cell.reset()
  const client = await connectRaw(port)
  if (before !== '') {
    client.write(before + sent.join(''))
    assert.equal((await client.answers('GET', 'GET'))[1]!.status, row.status)
  } else {
    await client.writePieces(sent)
    const [answer] = await client.answers('GET')
    assert.equal(answer!.status, row.status, answer!.body)
  }
  client.destroy()
  const requests = cell.requests
  assert.equal(requests.length, before === '' ? 1 : 2, 'requests at the cell')
  assert.equal(cell.received, requests.join(''), 'nothing else reached the cell')
  return requests.at(-1)!
}

async function check(row: Row, normalised: NormalisedCase): Promise<void> {
  const { request, has = [], lacks = [] } = normalised
  const ground = grounds.get(normalised.clientHeaders)!
  const reached = await sentToCell(ground, row, [request])
  for (const expected of has) {
    const isThere = typeof expected === 'string' ? reached.includes(expected) : expected.test(reached)
    assert.ok(isThere, `expected ${expected} in ${JSON.stringify(reached)}`)
  }
  for (const unexpected of lacks) assert.doesNotMatch(reached, unexpected)

  const pipelined = await sentToCell(ground, row, [request], GOOD)
  assert.equal(withoutIds(pipelined), withoutIds(reached), 'the same behind another request')
  const inBytes = await sentToCell(ground, row, [...request])
  assert.equal(
    withoutChunks(withoutIds(inBytes)),
    withoutChunks(withoutIds(reached)),
    'the same one byte a packet',
  )
}

describe('a request is normalised:', () => {
  for (const [row, normalised] of casesOf('Normalised', NORMALISED_REQUESTS)) {
    test(`${row.id}: ${row.title}`, () => check(row, normalised))
  }
})
