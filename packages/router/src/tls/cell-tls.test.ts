import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createAuthority, issue } from '../testing/certificates.ts'
import { send } from '../testing/client.ts'
import type { RouterOptions } from '../testing/fake-fleet.ts'
import { startTlsGround, type TlsGround } from '../testing/tls-ground.ts'
import { until } from '../testing/wait.ts'

/** A cell that speaks TLS only, asks who calls, and says so. */
async function startTlsCell(options: ServerOptions) {
  const state = { requests: 0, resumed: 0 }
  const server: Server = createServer(options, (request, response) => {
    const socket = request.socket as TLSSocket
    state.requests++
    response.end(JSON.stringify({ caller: socket.getPeerCertificate().subject?.CN ?? null }))
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.isSessionReused()) state.resumed++
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    state,
    port: (server.address() as AddressInfo).port,
    /** Closes what is idle, so that the next request needs a new connection. */
    closeConnections: () => server.closeAllConnections(),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

describe('TLS to cells', () => {
  let ground: TlsGround
  let cell: Awaited<ReturnType<typeof startTlsCell>>
  let caFile: string
  let own: { cert_file: string; key_file: string }
  before(async () => {
    ground = await startTlsGround({ cells: 2, isPublished: false })
    const { certPem: cert, keyPem: key } = issue(ground.authority, { names: ['cell.test', '127.0.0.1'] })
    const ca = ground.authority.certPem
    cell = await startTlsCell({ cert, key, ca, requestCert: true, rejectUnauthorized: true })
    caFile = await ground.writePem('ca.pem', ca)
    own = await ground.writeCertificate('router', ['router-of-the-tests'])
  })
  after(async () => {
    await cell.stop()
    await ground.stop()
  })

  let routers = 0
  /** A router whose cells are all at `url`, once it knows them. */
  async function startAt(url: string, cells_tls?: RouterOptions['cells_tls']) {
    const { fleet } = ground
    const { version } = fleet.publishBase({
      cells: fleet.buildBase().cells.map((entry) => ({ ...entry, endpoints: { http: url } })),
      routes: [{ path: '/*', failover: 'home-only' }],
    })
    fleet.publishOverlay({ base_version: version })
    const router = await fleet.startRouter({
      router: `to-cells-${routers++}`,
      ...(cells_tls && { cells_tls }),
    })
    await until('a topology', async () => (await send(router.adminPort, { path: '/readyz' })).status === 200)
    return router
  }
  const whys = () => ground.fleet.logLines.filter((line) => line.includes('no TLS with a cell'))

  test('a cell of the right authority is believed and is shown who calls; a new connection resumes the session', async () => {
    const { port, adminPort, stop } = await startAt(`https://127.0.0.1:${cell.port}`, {
      ca_file: caFile,
      ...own,
    })
    const { status, text } = await send(port)
    assert.deepEqual([status, text], [200, '{"caller":"router-of-the-tests"}'])
    cell.closeConnections()
    await until('a resumed session', async () => {
      assert.ok((await send(port)).status < 600)
      cell.closeConnections()
      return cell.state.resumed > 0
    })
    assert.match(
      await ground.metrics(adminPort),
      /tls_certificate_not_after_seconds\{certificate="cells_tls"\} \d+\n/,
    )
    await stop()
  })

  test('a cell may have one name for all, whatever its URL says', async () => {
    const good = await startAt(`https://localhost:${cell.port}`, {
      ...{ ca_file: caFile, ...own, server_name: 'cell.test' },
    })
    assert.equal((await send(good.port)).status, 200)
    await good.stop()
  })

  test('a wrong authority, a wrong name or plain text is a cell that cannot be connected to, and the log says why', async () => {
    const stranger = await ground.writePem('stranger.pem', createAuthority('a stranger').certPem)
    const plain = ground.fleet.cells[0]!
    const https = `https://127.0.0.1:${cell.port}`
    for (const [url, cells_tls, expected] of [
      [https, { ca_file: stranger, ...own }, /self-signed certificate|unable to (verify|get)/],
      [https, own, /self-signed certificate|unable to (verify|get)/],
      [https, { ca_file: caFile, ...own, server_name: 'other.test' }, /ERR_TLS_CERT_ALTNAME_INVALID/],
      [
        plain.url.replace('http:', 'https:'),
        { ca_file: caFile, ...own },
        /wrong version number|packet length|ERR_SSL/i,
      ],
    ] as const) {
      const { requests } = cell.state
      const logged = whys().length
      const { port, adminPort, stop } = await startAt(url, cells_tls)
      const { status, json } = await send(port, { headers: ['authorization', 'Bearer secret'] })
      assert.deepEqual([status, json.code], [503, 'CELL_UNAVAILABLE'])
      await until('the reason', () => whys().length > logged)
      assert.match(whys().at(-1)!, expected)
      assert.equal(cell.state.requests, requests)
      assert.match(await ground.metrics(adminPort), /connect_failures_total\{cell="cell-\d"\} 1\n/)
      await stop()
    }
    assert.equal(plain.arrivals, 0)
  })

  test('reasons are logged at most once a second', async () => {
    const { port, stop } = await startAt(`https://127.0.0.1:${cell.port}`, { ...own })
    const logged = whys().length
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 40 }, () => send(port)))
    const seconds = Math.ceil((performance.now() - startedAt) / 1000)
    assert.ok(whys().length - logged <= seconds + 1, whys().join(''))
    await stop()
  })

  test('a caller that the cell does not know is turned away, and the log says why', async () => {
    const { requests } = cell.state
    const logged = whys().length
    const { port, stop } = await startAt(`https://127.0.0.1:${cell.port}`, { ca_file: caFile })
    assert.ok((await send(port)).status >= 500)
    await until('the reason', () => whys().length > logged)
    assert.equal(cell.state.requests, requests)
    await stop()
  })

  test('a new authority is taken by itself', async () => {
    const authority = await ground.writePem('rotating.pem', createAuthority('a stranger').certPem)
    const { port, stop } = await startAt(`https://127.0.0.1:${cell.port}`, { ca_file: authority, ...own })
    assert.equal((await send(port)).status, 503)
    await ground.writePem('rotating.pem', ground.authority.certPem)
    await until('an answer', async () => (await send(port)).status === 200)
    await stop()
  })
})
