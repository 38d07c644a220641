import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { askHoldings } from './holdings.ts'

test('what a cell holds is unknown, not nothing, unless it says so as the contract asks', async (t) => {
  let answer: { status: number; body: string } = { status: 200, body: '' }
  const server = createServer((_request, response) => response.writeHead(answer.status).end(answer.body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = () => askHoldings(url, 'secret', new AbortController().signal)

  const holdings = { undelivered: 0, retained: 2, retained_until: null }
  answer = { status: 200, body: JSON.stringify(holdings) }
  assert.deepEqual(await ask(), holdings)
  for (const body of [
    '',
    'nothing',
    '{}',
    '{"undelivered":-1,"retained":0,"retained_until":null}',
    'x'.repeat(100_000),
  ]) {
    answer = { status: 200, body }
    assert.equal(await ask(), null, body.slice(0, 20))
  }
  answer = { status: 503, body: JSON.stringify(holdings) }
  assert.equal(await ask(), null)
  assert.equal(await askHoldings('http://127.0.0.1:1', 'secret', new AbortController().signal), null)
})
