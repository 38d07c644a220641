import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { describe, test } from 'node:test'
import { formatCellNamingId } from '@cellplane/contract'
import { type Received, send } from '../testing/client.ts'
import {
  type FakeFleet,
  type FleetOptions,
  type RouterOptions,
  startFakeFleet,
} from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

type Running = { fleet: FakeFleet; port: number; adminPort: number }

/** A fleet with a ready router, for one test. */
async function withRouter(
  run: (running: Running) => Promise<void>,
  options: RouterOptions & { of?: FleetOptions } = {},
): Promise<void> {
  const { of: fleetOptions, ...routerOptions } = options
  const fleet = await startFakeFleet(fleetOptions)
  try {
    const { port, adminPort } = await fleet.startRouter(routerOptions)
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await run({ fleet, port, adminPort })
  } finally {
    await fleet.stop()
  }
}

const fitnessOf = async (adminPort: number, cell: string): Promise<number> => {
  const { json } = await send(adminPort, { path: '/status' })
  return json.cells.find((c: { cell: string }) => c.cell === cell).fitness
}

// Each has a fleet of its own; together they wait no longer than the longest.
describe('an exchange', { concurrency: 4 }, () => {
  describe('a cell that is gone', () => {
    test('is stood in for by the other cell of the shard, and by no other', () =>
      withRouter(async ({ fleet, port }) => {
        const tenant = fleet.tenantOn(0, 1)
        await fleet.cells[0]!.kill()
        const large = 'x'.repeat(200_000)
        for (const sent of [{}, { method: 'POST' }, { method: 'POST', body: large }]) {
          const { status, json } = await send(port, { ...sent, headers: ['x-tenant', tenant] })
          assert.equal(status, 200)
          assert.equal(json.cell, 'cell-1')
          assert.equal(json.headers['cellplane-role'], 'alternate')
          assert.equal(json.body, 'body' in sent ? large : '')
        }
        assert.equal(fleet.cells[1]!.seen[0]!.headers['cellplane-attempt'], '1')
        assert.equal(fleet.cells[1]!.seen[0]!.headers['cellplane-secret'], fleet.secretOf(fleet.cells[1]!))
        assert.equal(fleet.cells[2]!.arrivals, 0)
      }))

    test('is named in a 503 with Retry-After to whoever asks for what only it has', () =>
      withRouter(async ({ fleet, port }) => {
        const tenant = fleet.tenantOn(0, 1)
        await fleet.cells[0]!.kill()
        const ask = (more: { path?: string; headers?: string[] }) =>
          send(port, { ...more, headers: ['x-tenant', tenant, ...(more.headers ?? [])] })
        const byId = { path: `/v1/things/${formatCellNamingId('ntf', 0, 'r')}` }
        const byHeader = { headers: ['x-cell', 'cell-0'] }
        // The first few find the port closed, the later ones find the cell ejected.
        for (let i = 0; i < 4; i++) {
          for (const sent of [byId, byHeader]) {
            const { status, headers, json } = await ask(sent)
            assert.equal(status, 503)
            assert.equal(json.code, 'CELL_UNAVAILABLE')
            assert.equal(json.cell, 'cell-0')
            assert.equal(headers['cellplane-cell'], 'cell-0')
            assert.ok(Number(headers['retry-after']) > 0)
          }
        }
        assert.equal(fleet.cells[1]!.arrivals, 0)
        await fleet.cells[0]!.revive()
        const back = await until('the cell to be back', async () => {
          const answer = await ask(byId)
          return answer.status === 200 && answer
        })
        assert.equal(back.json.cell, 'cell-0')
      }))

    test('is ejected, and readmitted over a ramp', () =>
      withRouter(
        async ({ fleet, port, adminPort }) => {
          const tenant = fleet.tenantOn(0, 1)
          const ask = () => send(port, { headers: ['x-tenant', tenant] })
          await fleet.cells[0]!.kill()
          await until('the ejection', async () => {
            assert.equal((await ask()).json.cell, 'cell-1')
            return fleet.logLines.some((line) => line.includes('cell ejected'))
          })
          await fleet.cells[0]!.revive()
          const partial = await until('a part of its share', async () => {
            assert.equal((await ask()).status, 200)
            const fitness = await fitnessOf(adminPort, 'cell-0')
            return fitness > 0 && fitness < 1 && fitness
          })
          await until('more of it', async () => (await fitnessOf(adminPort, 'cell-0')) > partial)
          await until('all of it', async () => (await fitnessOf(adminPort, 'cell-0')) === 1)
          assert.equal((await ask()).json.cell, 'cell-0')
        },
        { of: { base: { limits: { ramp_seconds: 3, unhealthy_share_max: 0.5 } } } },
      ))

    test('is not stood in for where the route is the home’s alone', () =>
      withRouter(async ({ fleet, port }) => {
        await fleet.cells[0]!.kill()
        for (let i = 0; i < 4; i++) {
          const { status, json } = await send(port, {
            path: '/home-only/x',
            headers: ['x-tenant', fleet.tenantOn(0, 1)],
          })
          assert.equal(status, 503)
          assert.equal(json.code, 'CELL_UNAVAILABLE')
          assert.equal(json.cell, 'cell-0')
        }
        assert.equal(fleet.cells[1]!.arrivals, 0)
      }))
  })

  describe('a request that a cell may have had', () => {
    /** The home takes the whole request and drops the connection. */
    async function afterHomeDroppedIt(
      sent: { method: string; headers?: string[]; body?: string },
      check: (answer: Received, fleet: FakeFleet) => void,
    ): Promise<void> {
      await withRouter(async ({ fleet, port }) => {
        fleet.cells[0]!.answer = (_seen, response) => response.socket!.destroy()
        const headers = ['x-tenant', fleet.tenantOn(0, 1), ...(sent.headers ?? [])]
        check(await send(port, { ...sent, headers }), fleet)
        assert.equal(fleet.cells[0]!.seen.length, 1)
      })
    }

    test('is not sent again when it is a POST without Idempotency-Key', () =>
      afterHomeDroppedIt({ method: 'POST', body: '{"pay":1}' }, ({ status, json }, fleet) => {
        assert.equal(status, 502)
        assert.equal(json.code, 'UPSTREAM_INVALID')
        assert.match(json.detail, /may have processed/)
        assert.equal(fleet.cells[1]!.arrivals, 0)
      }))

    test('is sent again, body and all, when it carries an Idempotency-Key', () =>
      afterHomeDroppedIt(
        { method: 'POST', body: '{"pay":1}', headers: ['idempotency-key', 'k1'] },
        ({ status, json }) => {
          assert.equal(status, 200)
          assert.equal(json.cell, 'cell-1')
          assert.equal(json.body, '{"pay":1}')
          assert.equal(json.headers['idempotency-key'], 'k1')
        },
      ))

    test('is not sent again when its body was too large to keep', () =>
      afterHomeDroppedIt({ method: 'PUT', body: 'x'.repeat(200_000) }, ({ status, json }, fleet) => {
        assert.equal(status, 502)
        assert.equal(json.code, 'UPSTREAM_INVALID')
        assert.equal(fleet.cells[1]!.arrivals, 0)
      }))

    test('counts as sent on a kept connection that the cell closes, so that a POST is not repeated', () =>
      withRouter(async ({ fleet, port }) => {
        const [home, alternate] = [fleet.cells[0]!, fleet.cells[1]!]
        const connections = new Set<unknown>()
        home.intercept = (incoming) => {
          const isKept = connections.has(incoming.socket)
          connections.add(incoming.socket)
          if (isKept) incoming.socket.destroy()
          return isKept
        }
        const ask = (method: string) => send(port, { method, headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        assert.equal((await ask('POST')).status, 200)
        assert.equal((await ask('POST')).status, 502)
        assert.equal(alternate.arrivals, 0)
        assert.equal((await ask('GET')).json.cell, 'cell-0')
        assert.equal((await ask('GET')).json.cell, 'cell-1')
      }))

    test('is sent again at most once', () =>
      withRouter(async ({ fleet, port }) => {
        for (const cell of fleet.cells) cell.answer = (_seen, response) => response.socket!.destroy()
        const { status } = await send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        assert.equal(status, 502)
        assert.deepEqual(
          fleet.cells.map((cell) => cell.arrivals),
          [1, 1, 0],
        )
      }))

    test('and was answered 503 is sent again if it can be repeated; a 500 is an answer', () =>
      withRouter(async ({ fleet, port }) => {
        const status = { now: 503 }
        fleet.cells[0]!.answer = (_seen, response) => response.writeHead(status.now).end('no')
        const ask = (method: string) => send(port, { method, headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        assert.equal((await ask('GET')).json.cell, 'cell-1')
        const post = await ask('POST')
        assert.equal(post.status, 503)
        assert.equal(post.text, 'no')
        assert.equal(post.headers['cellplane-cell'], 'cell-0')
        status.now = 500
        assert.equal((await ask('GET')).status, 500)
      }))

    test('is cut off when the cell breaks in the middle of its answer, never completed by another', () =>
      withRouter(async ({ fleet, port }) => {
        fleet.cells[0]!.answer = (_seen, response) => {
          response.writeHead(200, { 'content-length': '1000' })
          response.write('half', () => response.socket!.destroy())
        }
        await assert.rejects(send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] }))
        assert.equal(fleet.cells[1]!.arrivals, 0)
      }))
  })

  test('a cell that answers 421 causes a refresh and one more try, where the new topology says', () =>
    withRouter(
      async ({ fleet, port }) => {
        const tenant = fleet.tenantOn(0, 1)
        fleet.cells[0]!.answer = (_seen, response) => {
          fleet.controlPlane.serve(
            'base',
            fleet.controlPlane.sign(
              fleet.buildBase({
                overrides: [{ tenant, cells: [2, 1], reason: 'assignment', generation: 2 }],
              }),
            ),
          )
          response.writeHead(421).end()
        }
        // Not within a second of the start, when the topology was asked for.
        const answer = await until('the refresh', async () => {
          const sent = await send(port, { method: 'POST', body: 'b', headers: ['x-tenant', tenant] })
          return sent.status === 200 && sent
        })
        assert.equal(answer.json.cell, 'cell-2')
        assert.equal(answer.json.headers['cellplane-generation'], '2')
        assert.equal(answer.json.body, 'b')
      },
      { poll_seconds: 60 },
    ))

  test('a cell that answers 421 to everything is asked twice, and its answer passed on', () =>
    withRouter(async ({ fleet, port }) => {
      fleet.cells[0]!.answer = (_seen, response) => response.writeHead(421).end()
      const { status } = await send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
      assert.equal(status, 421)
      assert.equal(fleet.cells[0]!.arrivals, 2)
    }))

  test('when the whole shard is down its first cell is asked all the same, and the failure is named', () =>
    withRouter(async ({ fleet, port }) => {
      await Promise.all([fleet.cells[0]!.kill(), fleet.cells[1]!.kill()])
      for (let i = 0; i < 6; i++) {
        const { status, headers, json } = await send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        assert.equal(status, 503)
        assert.equal(json.code, 'SHARD_UNAVAILABLE')
        assert.ok(headers['retry-after'])
      }
      assert.equal(fleet.cells[2]!.arrivals, 0)
    }))

  describe('what takes too long', () => {
    test('an answer that does not come is a 504 that names the cell', () =>
      withRouter(
        async ({ fleet, port }) => {
          fleet.cells[0]!.answer = () => {}
          const { status, json } = await send(port, {
            method: 'POST',
            headers: ['x-tenant', fleet.tenantOn(0, 1)],
          })
          assert.equal(status, 504)
          assert.equal(json.code, 'UPSTREAM_TIMEOUT')
          assert.equal(json.cell, 'cell-0')
        },
        { limits: { response_timeout_ms: 100 } },
      ))

    test('an answer that stops in the middle is cut off', () =>
      withRouter(
        async ({ fleet, port }) => {
          fleet.cells[0]!.answer = (_seen, response) => response.writeHead(200).write('half')
          await assert.rejects(send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] }))
        },
        { limits: { idle_timeout_ms: 100 } },
      ))

    test('a client that stops in the middle of its body is told so, and the cell is not blamed', () =>
      withRouter(
        async ({ fleet, port, adminPort }) => {
          const headers = ['host', 'router.test', 'x-tenant', fleet.tenantOn(0, 1), 'content-length', '100']
          for (let i = 0; i < 6; i++) {
            const upload = request({ port, method: 'POST', headers })
            upload.write('some')
            const [answer] = await once(upload, 'response')
            assert.equal(answer.statusCode, 408)
            upload.destroy()
          }
          assert.equal(await fitnessOf(adminPort, 'cell-0'), 1)
        },
        { limits: { response_timeout_ms: 60 } },
      ))

    test('a client that resets its connection takes its request at the cell with it', () =>
      withRouter(async ({ fleet, port, adminPort }) => {
        const cell = fleet.cells[0]!
        let isCut = false
        cell.answer = (_seen, response) => response.on('close', () => (isCut = true))
        const abandoned = request({
          port,
          headers: ['host', 'router.test', 'x-tenant', fleet.tenantOn(0, 1)],
        })
        abandoned.on('error', () => {})
        abandoned.end()
        await until('the request to arrive', () => cell.arrivals === 1)
        abandoned.socket!.resetAndDestroy()
        await until('the cell to see it', () => isCut)
        await until('nothing in flight', async () => {
          const { json } = await send(adminPort, { path: '/status' })
          return json.in_flight === 0 && json.cells[0].in_flight === 0
        })
        assert.equal(await fitnessOf(adminPort, 'cell-0'), 1)
      }))
  })

  describe('what is too much', () => {
    test('a cell that hangs holds only its own share; its requests go to the alternate', () =>
      withRouter(
        async ({ fleet, port }) => {
          const [tenant, other] = [fleet.tenantOn(0, 1), fleet.tenantOn(2, 1)]
          fleet.cells[0]!.answer = () => {}
          const stuck = Array.from({ length: 2 }, () =>
            send(port, { headers: ['x-tenant', tenant] }).catch(() => {}),
          )
          await until('the cell to be full', () => fleet.cells[0]!.arrivals === 2)
          assert.equal((await send(port, { headers: ['x-tenant', tenant] })).json.cell, 'cell-1')
          assert.equal((await send(port, { headers: ['x-tenant', other] })).json.cell, 'cell-2')
          const named = await send(port, { headers: ['x-tenant', tenant, 'x-cell', 'cell-0'] })
          assert.equal(named.json.code, 'OVERLOADED')
          await fleet.cells[0]!.kill()
          await Promise.all(stuck)
        },
        { limits: { sockets_per_cell_max: 2 } },
      ))

    test('beyond the limit of requests under way the answer is 503 at once', () =>
      withRouter(
        async ({ fleet, port }) => {
          fleet.cells[0]!.answer = () => {}
          const stuck = send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] }).catch(() => {})
          await until('one under way', () => fleet.cells[0]!.arrivals === 1)
          const { status, headers, json } = await send(port, { headers: ['x-tenant', fleet.tenantOn(2, 1)] })
          assert.equal(status, 503)
          assert.equal(json.code, 'OVERLOADED')
          assert.ok(headers['retry-after'])
          await Promise.all([fleet.cells[0]!.kill(), fleet.cells[1]!.kill()])
          await stuck
        },
        { limits: { in_flight_max: 1 } },
      ))

    test('headers beyond the limit are refused', () =>
      withRouter(async ({ port }) => {
        assert.equal((await send(port, { headers: ['x-large', 'x'.repeat(20_000)] })).status, 431)
      }))
  })

  test('a large body waits for a slow cell: the router does not take it in', () =>
    withRouter(async ({ fleet, port }) => {
      const size = 64 * 1024 * 1024
      let release = () => {}
      fleet.cells[0]!.intercept = (incoming, response) => {
        incoming.pause()
        release = () => {
          incoming.on('end', () => response.writeHead(204).end()).resume()
        }
        return true
      }
      const headers = ['host', 'h', 'x-tenant', fleet.tenantOn(0, 1), 'content-length', String(size)]
      const upload = request({ port, method: 'POST', headers })
      const answered = once(upload, 'response')
      const chunk = Buffer.alloc(1024 * 1024)
      let sent = 0
      let isFull = false
      const push = () => {
        while (sent < size) {
          sent += chunk.length
          if (!upload.write(chunk)) {
            isFull = true
            return
          }
        }
        upload.end()
      }
      upload.on('drain', push)
      push()
      await until('the upload to arrive', () => fleet.cells[0]!.arrivals === 1)
      await until('the upload to stand still', async () => {
        const before = upload.socket?.bytesWritten ?? 0
        await new Promise((resolve) => setTimeout(resolve, 50))
        return isFull && before > 0 && before === upload.socket?.bytesWritten
      })
      assert.ok(upload.socket!.bytesWritten < size / 2, `${upload.socket!.bytesWritten} bytes were taken`)
      release()
      const [answer] = await answered
      assert.equal(answer.statusCode, 204)
      answer.resume()
    }))
})

// By itself: the router waits a second for the topology, and no longer because the machine is busy.
test('a body that is still coming when a cell answers 421 reaches the next one whole', () =>
  withRouter(
    async ({ fleet, port }) => {
      const tenant = fleet.tenantOn(0, 1)
      const agent = new Agent()
      // Larger than what is kept, and chunked: the client goes on sending while the topology is asked for.
      const part = 'x'.repeat(32 * 1024)
      const parts = 40
      fleet.cells[0]!.intercept = (received, response) => {
        received.resume()
        fleet.controlPlane.serve(
          'base',
          fleet.controlPlane.sign(
            fleet.buildBase({
              overrides: [{ tenant, cells: [2, 1], reason: 'assignment', generation: 2 }],
            }),
          ),
        )
        response.writeHead(421).end()
        return true
      }
      // Within a second of the start the topology is not asked for again.
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      const outgoing = request({
        port,
        host: '127.0.0.1',
        method: 'POST',
        agent,
        headers: ['host', 'router.test', 'x-tenant', tenant, 'transfer-encoding', 'chunked'],
      })
      const answered = once(outgoing, 'response')
      outgoing.write('first')
      await until('the misdirected attempt', () => fleet.cells[0]!.arrivals === 1)
      for (let i = 0; i < parts; i++) outgoing.write(part)
      outgoing.end()
      const [answer] = await answered
      answer.resume()
      assert.equal(answer.statusCode, 200)
      assert.equal(fleet.cells[2]!.seen[0]!.body.length, 'first'.length + parts * part.length)
      agent.destroy()
    },
    { poll_seconds: 60 },
  ))
