import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { startTestServer } from '../testing-server.ts'
import { followTopologyEvents, type TopologyEvent } from './follow.ts'

/** Resolves when `isTrue` holds, looking again after every `poke()`. */
function createCondition() {
  let look = () => {}
  return {
    poke: () => look(),
    until: (isTrue: () => boolean) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (isTrue()) resolve()
        }
        look()
      }),
  }
}

test('events arrive, split however they were sent; what is not ours is passed over', async () => {
  const open: ServerResponse[] = []
  const server = await startTestServer((request, response) => {
    assert.equal(request.headers.authorization, 'Bearer secret')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    open.push(response)
    response.write(': ping\n\nevent: base\ndata: {"epoch":1,"ver')
    response.write('sion":7}\n\nevent: news\ndata: {}\n\nevent: base\ndata: nonsense\n\n')
    response.write('event: overlay\r\ndata: {"epoch":1,"version":9}\r\n\r\n')
  })
  const events: TopologyEvent[] = []
  const condition = createCondition()
  const follower = followTopologyEvents({
    url: server.url,
    token: 'secret',
    onEvent: (event) => {
      events.push(event)
      condition.poke()
    },
  })
  await condition.until(() => events.length === 2)
  assert.deepEqual(events, [
    { document: 'base', epoch: 1, version: 7 },
    { document: 'overlay', epoch: 1, version: 9 },
  ])
  await follower.stop()
  assert.deepEqual(server.seen, ['GET /v1/topology/events'])
  await server.stop()
})

test('a connection that breaks, is refused or sends without end is made again, with why', async () => {
  let tries = 0
  const server = await startTestServer((_, response) => {
    tries++
    if (tries === 1) return response.destroy()
    if (tries === 2) return response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (tries === 3) return response.write(`data: ${'x'.repeat(100_000)}`)
    if (tries === 4) return response.end('event: base\ndata: {"epoch":1,"version":1}\n\n')
    response.write('event: base\ndata: {"epoch":1,"version":2}\n\n')
  })
  const whys: string[] = []
  const versions: number[] = []
  const condition = createCondition()
  const follower = followTopologyEvents({
    url: server.url,
    token: 'secret',
    retryMs: 1,
    onEvent: ({ version }) => {
      versions.push(version)
      condition.poke()
    },
    onDisconnected: (why) => whys.push(why),
  })
  await condition.until(() => versions.length === 2)
  await follower.stop()
  await server.stop()
  assert.deepEqual(versions, [1, 2])
  assert.equal(whys.length, 4)
  assert.match(whys[1]!, /answered 503/)
  assert.match(whys[3]!, /ended the connection/)
})

test('stop ends it while it waits, too', async () => {
  const server = await startTestServer((_, response) => response.destroy())
  const condition = createCondition()
  let failures = 0
  const follower = followTopologyEvents({
    url: server.url,
    token: 'secret',
    retryMs: 60_000,
    onEvent: () => {},
    onDisconnected: () => {
      failures++
      condition.poke()
    },
  })
  await condition.until(() => failures === 1)
  await follower.stop()
  await server.stop()
})
