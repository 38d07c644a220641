import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

// Both ways of reading do the same: the shared buffer, and Node's own, which is the fallback.
for (const reads of ['shared', 'own'] as const) {
  describe(`sockets that read into ${reads === 'shared' ? 'the shared buffer' : 'buffers of their own'}`, () => {
    test('carry bodies of every size unharmed, at once, both ways', async () => {
      const fleet = await startFakeFleet()
      try {
        const { port, adminPort } = await fleet.startRouter({}, { reads })
        await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
        for (const cell of fleet.cells) {
          cell.answer = (seen, response) => response.writeHead(200).end(Buffer.from(seen.body, 'utf8'))
        }
        const sizes = [0, 1, 16_383, 16_384, 16_385, 65_536, 700_000]
        const bodies = sizes.map((size) =>
          randomBytes(Math.ceil(size / 2))
            .toString('hex')
            .slice(0, size),
        )
        const answers = await Promise.all(
          bodies.map((body, i) =>
            send(port, { method: 'POST', body, headers: ['x-tenant', fleet.tenantOn(i % 3, (i + 1) % 3)] }),
          ),
        )
        for (const [i, { status, text }] of answers.entries()) {
          assert.equal(status, 200)
          assert.ok(text === bodies[i], `a body of ${sizes[i]} bytes came back as it was`)
        }
      } finally {
        await fleet.stop()
      }
    })

    test('answer pipelined requests in order, and a client that has shut down its sending side', async () => {
      const fleet = await startFakeFleet()
      try {
        const { port, adminPort } = await fleet.startRouter({}, { reads })
        await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
        const tenant = fleet.tenantOn(0, 1)
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        let heard = ''
        socket.setEncoding('latin1').on('data', (text: string) => {
          heard += text
        })
        const paths = Array.from({ length: 20 }, (_, i) => `/n/${i}`)
        socket.end(
          paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: h\r\nx-tenant: ${tenant}\r\n\r\n`).join(''),
        )
        await once(socket, 'end')
        const answered = [...heard.matchAll(/"path":"(\/n\/\d+)"/g)].map(([, path]) => path)
        assert.deepEqual(answered, paths)
        socket.destroy()
      } finally {
        await fleet.stop()
      }
    })
  })
}
