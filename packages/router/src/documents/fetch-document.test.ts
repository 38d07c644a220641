import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { FETCH_WAITS, type FetchedDocument, type FetchWaits, fetchDocument } from './fetch-document.ts'
import { textOf } from './read-document.ts'

const PATIENT: FetchWaits = { headMs: 60_000, silenceMs: 60_000, totalMs: 60_000 }
const PART_EVERY_MS = 20

/** Fetches from a server that answers as the test says. */
async function fetched(
  t: TestContext,
  answer: (response: ServerResponse) => void,
  waits: Partial<FetchWaits>,
): Promise<FetchedDocument> {
  const server = createServer((_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return fetchDocument({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    etag: null,
    bytesMax: 1024 * 1024,
    waits: { ...PATIENT, ...waits },
    signal: new AbortController().signal,
  })
}

/** Sends a part every few milliseconds for as long, and ends. */
function trickle(response: ServerResponse, forMs: number): void {
  const startedAt = performance.now()
  response.writeHead(200).flushHeaders()
  const timer = setInterval(() => {
    response.write('a')
    if (performance.now() - startedAt > forMs) response.end('z')
  }, PART_EVERY_MS)
  response.on('close', () => clearInterval(timer))
  response.on('finish', () => clearInterval(timer))
}

const whyOf = (found: FetchedDocument) => (found.kind === 'unavailable' ? found.why : found.kind)

describe('a document that is fetched', { concurrency: true }, () => {
  test('may take longer than its head may, as long as it comes', async (t) => {
    const headMs = 3_000
    const found = await fetched(t, (response) => trickle(response, headMs + 200), { headMs })
    assert.ok(found.kind === 'document', whyOf(found))
    assert.match(textOf(found.chunks), /^a+z$/)
  })

  test('is given up when no head comes', async (t) => {
    assert.match(whyOf(await fetched(t, () => {}, { headMs: 100 })), /no head came within 100 ms/)
  })

  test('is given up when it comes to a halt', async (t) => {
    const found = await fetched(t, (response) => response.writeHead(200).write('a'), { silenceMs: 100 })
    assert.match(whyOf(found), /nothing more of the answer came within 100 ms/)
  })

  test('is given up when it trickles without end', async (t) => {
    const found = await fetched(t, (response) => trickle(response, Number.POSITIVE_INFINITY), {
      totalMs: 500,
    })
    assert.match(whyOf(found), /the answer did not come in full within 500 ms/)
  })

  test('is waited for as docs/faults.md says', () => {
    assert.deepEqual(FETCH_WAITS, { headMs: 5_000, silenceMs: 5_000, totalMs: 60_000 })
  })
})
