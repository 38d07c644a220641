import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { keyIdOf, signDocument } from '@cellplane/contract'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'
import { READER_LIMITS, type ReaderLimits } from './document-reader.ts'
import { createRefusals } from './refusals.ts'
import { startTopologyFollower } from './topology-follower.ts'

type Answer = (kind: string, response: ServerResponse) => void

/** A follower without a router around it, and a server that answers as the test says. */
async function startGround(t: TestContext, answer: Answer, reading: ReaderLimits = READER_LIMITS) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const server = createServer((request, response) => answer(request.url!.split('/').at(-1)!, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const log = { info() {}, warn() {}, error() {} }
  const refusals = createRefusals(log)
  const follower = await startTopologyFollower({
    controlPlane: {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      bearerToken: 'a-token',
    },
    router: 'router-1',
    fleet: 'test-fleet',
    trustedKeys: new Map([[keyIdOf(publicKey), publicKey]]),
    lastGood: { read: async () => undefined, write: async () => {} },
    refusals,
    pollMs: 50,
    bytesMax: 32 * 1024 * 1024,
    reading,
    log,
    onTopology() {},
  })
  t.after(async () => {
    await follower.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const sign = (document: object) => JSON.stringify(signDocument(document, keyIdOf(publicKey), privateKey))
  return { follower, refusals, sign }
}

describe('a follower', { concurrency: 2 }, () => {
  test('asks for the overlay while a base is late', async (t) => {
    const fleet = await startFakeFleet({ isPublished: false })
    t.after(() => fleet.stop())
    const unanswered = new Set<ServerResponse>()
    let texts: Record<string, string> = {}
    let askedMeanwhile = 0
    const { follower, sign } = await startGround(t, (kind, response) => {
      if (kind === 'overlay' && unanswered.size > 0) askedMeanwhile++
      const text = texts[kind]
      if (text !== undefined) return response.end(text)
      if (kind !== 'base' || !follower.current) return response.writeHead(404).end()
      unanswered.add(response)
      response.on('close', () => unanswered.delete(response))
    })
    texts = { base: sign(fleet.buildBase()), overlay: sign(fleet.buildOverlay()) }
    await until('both documents', () => follower.current?.overlay)
    const overlay = fleet.buildOverlay()
    texts = { overlay: sign(overlay) }
    await until('the newer overlay', () => follower.current?.overlay?.version === overlay.version)
    await until('an overlay asked for while a base was', () => askedMeanwhile > 0)
  })

  test('that is stopped while it reads a base aside ends the reading, and counts no refusal', async (t) => {
    let served = 0
    const document = `[${'{},'.repeat(1_000_000)}{}]`
    const aside = { ...READER_LIMITS, firstInPlaceBytesMax: 0 }
    const { follower, refusals } = await startGround(
      t,
      (kind, response) => {
        if (kind !== 'base') return response.writeHead(404).end()
        served++
        response.end(document)
      },
      aside,
    )
    await until('it to be fetched', () => served > 0 && follower.controlPlaneSeenAt !== null)
    await follower.stop()
    assert.equal(refusals.total, 0)
    assert.equal(follower.current, null)
  })
})
