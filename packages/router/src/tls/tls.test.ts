import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createAuthority, issue } from '../testing/certificates.ts'
import { send } from '../testing/client.ts'
import { readAnswers } from '../testing/raw-client.ts'
import { NAMES, startTlsGround, type TlsGround } from '../testing/tls-ground.ts'
import { until } from '../testing/wait.ts'

const serialOf = (socket: TLSSocket) => socket.getPeerCertificate().serialNumber

describe('TLS to clients', () => {
  let ground: TlsGround
  before(async () => {
    ground = await startTlsGround()
  })
  after(() => ground.stop())

  test('the certificate is chosen by the server name: exact, one free label, or the default one', async () => {
    const exact = await ground.writeCertificate('exact', ['api.b.test'])
    const free = await ground.writeCertificate('free', ['*.b.test'])
    const { port, stop } = await ground.startRouter({
      certificates: [
        { server_names: ['api.b.test'], ...exact },
        { server_names: ['*.B.test'], ...free },
      ],
    })
    const nameFor = async (servername: string) => {
      const socket = await ground.connect(port, { servername, checkServerIdentity: () => undefined })
      const { subjectaltname } = socket.getPeerCertificate()
      socket.destroy()
      return subjectaltname
    }
    assert.equal(await nameFor('api.b.test'), 'DNS:api.b.test')
    assert.equal(await nameFor('API.B.test'), 'DNS:api.b.test')
    assert.equal(await nameFor('other.b.test'), 'DNS:*.b.test')
    for (const name of ['b.test', 'x.y.b.test', 'elsewhere.test', '']) {
      assert.match((await nameFor(name))!, /DNS:router\.test/, name)
    }

    const { status, body } = await ground.get(port, 'other.b.test')
    assert.equal(status, 200)
    assert.equal(JSON.parse(body).headers['x-forwarded-proto'], 'https')
    await stop()
  })

  test('a host with a certificate of its own is not served on a connection for another one: 421', async () => {
    const other = await ground.writeCertificate('other', ['a.b.test', 'c.b.test'])
    const { port, stop } = await ground.startRouter({
      certificates: [{ server_names: ['a.b.test', 'c.b.test'], ...other }],
    })
    const before = ground.fleet.cells.map(({ arrivals }) => arrivals)
    for (const [opened, asked] of [
      ['router.test', 'a.b.test'],
      ['a.b.test', 'router.test'],
    ] as const) {
      const socket = await ground.connect(port, { servername: opened })
      const { status, body } = await ground.get(port, asked, socket)
      assert.equal(status, 421)
      assert.equal(JSON.parse(body).code, 'CONNECTION_MISDIRECTED')
      socket.destroy()
    }
    assert.deepEqual(
      ground.fleet.cells.map(({ arrivals }) => arrivals),
      before,
    )
    const socket = await ground.connect(port, { servername: 'a.b.test' })
    for (const host of ['a.b.test:8443', 'c.b.test', 'A.b.test']) {
      assert.equal((await ground.get(port, host, socket)).status, 200, host)
    }
    socket.destroy()
    await stop()
  })

  test('old versions and weak ciphers are refused', async () => {
    const { port, adminPort, stop } = await ground.startRouter()
    const weak = { ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const
    await assert.rejects(ground.connect(port, weak))
    for (const cipher of [
      'AES128-SHA',
      'AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-ECDSA-AES256-SHA384',
    ]) {
      const ciphers = `${cipher}:@SECLEVEL=0`
      await assert.rejects(ground.connect(port, { ciphers, maxVersion: 'TLSv1.2' }), Error, cipher)
    }
    const good = await ground.connect(port, { maxVersion: 'TLSv1.2' })
    assert.equal(good.getProtocol(), 'TLSv1.2')
    assert.match(good.getCipher().name, /^ECDHE-ECDSA-.*GCM/)
    good.destroy()
    const failed = (await ground.status(adminPort)).tls.failed_handshakes
    assert.ok(failed >= 5, `${failed} failed handshakes counted`)

    const { port: strict } = await ground.startRouter({ min_version: 'TLSv1.3' }, { router: 'strict' })
    await assert.rejects(ground.connect(strict, { maxVersion: 'TLSv1.2' }))
    const newest = await ground.connect(strict)
    assert.equal(newest.getProtocol(), 'TLSv1.3')
    newest.destroy()
    await stop()
  })

  test('a session is resumed, and a client cannot renegotiate', async () => {
    const { port, stop } = await ground.startRouter({}, { limits: { head_timeout_ms: 300 } })
    const first = await ground.connect(port)
    const session = once(first, 'session')
    await ground.get(port, 'router.test', first)
    const [ticket] = await session
    first.destroy()
    const second = await ground.connect(port, { session: ticket })
    assert.equal(second.isSessionReused(), true)
    second.destroy()

    const old = await ground.connect(port, { maxVersion: 'TLSv1.2' })
    old.on('error', () => {})
    const outcome = await new Promise<unknown>((resolve) => {
      old.renegotiate({}, (error) => resolve(error))
      old.on('close', () => resolve(new Error('closed')))
    })
    assert.ok(outcome instanceof Error)
    old.destroy()
    await stop()
  })

  test('a handshake that does not come is ended, and only so many may be under way', async () => {
    const { port, adminPort, stop } = await ground.startRouter({
      handshake_timeout_ms: 300,
      handshakes_max: 2,
    })
    const silent = [connectPlain(port, '127.0.0.1'), connectPlain(port, '127.0.0.1')]
    for (const socket of silent) socket.on('error', () => {})
    await until('two handshakes', async () => (await ground.status(adminPort)).tls.handshakes === 2)
    await assert.rejects(ground.connect(port))
    await Promise.all(silent.map((socket) => once(socket, 'close')))
    await until('their end', async () => (await ground.status(adminPort)).tls.handshakes === 0)
    assert.match(await ground.metrics(adminPort), /tls_handshakes_refused_total 1\n/)
    assert.equal((await ground.get(port)).status, 200)
    await stop()
  })

  test('plain text and TLS are served side by side, on a port each', async () => {
    const { port, tlsPort, stop } = await ground.startRouter({ port: 0 })
    assert.notEqual(port, tlsPort)
    assert.equal((await send(port)).json.headers['x-forwarded-proto'], 'http')
    assert.equal(JSON.parse((await ground.get(tlsPort!)).body).headers['x-forwarded-proto'], 'https')
    await assert.rejects(ground.connect(port))
    await stop()
  })

  test('a megabyte goes both ways, byte for byte', async () => {
    const { port, stop } = await ground.startRouter()
    for (const cell of ground.fleet.cells) {
      cell.answer = ({ body }, response) => response.end(body)
    }
    const body = 'zwölf Boxkämpfer '.repeat(60_000)
    const socket = await ground.connect(port)
    socket.end(
      `POST / HTTP/1.1\r\nhost: router.test\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const [answer] = readAnswers(Buffer.concat(chunks).toString('latin1'), ['POST'], true)!
    assert.equal(answer!.status, 200)
    assert.ok(Buffer.from(answer!.body, 'latin1').equals(Buffer.from(body)))
    await stop()
  })

  test('a stop ends handshakes under way', async () => {
    const { port, adminPort, stop } = await ground.startRouter()
    const silent = connectPlain(port, '127.0.0.1')
    silent.on('error', () => {})
    await until('a handshake', async () => (await ground.status(adminPort)).tls.handshakes === 1)
    await Promise.all([once(silent, 'close'), stop()])
  })
})

describe('a partition key from the server name', () => {
  test('is the label that the client asked for, and a request for another name on that connection is 421', async () => {
    const ground = await startTlsGround({ base: { partition_key: [{ from: 'sni', domain: 'svc.test' }] } })
    try {
      const free = await ground.writeCertificate('free', ['*.svc.test'])
      const { port } = await ground.startRouter({ certificates: [{ server_names: ['*.svc.test'], ...free }] })
      const tenant = ground.fleet.tenantOn(2, 0)
      const socket = await ground.connect(port, { servername: `${tenant}.svc.test` })
      const { body } = await ground.get(port, `${tenant}.svc.test`, socket)
      assert.equal(JSON.parse(body).headers['cellplane-tenant'], tenant)
      assert.equal(JSON.parse(body).cell, 'cell-2')
      const other = await ground.get(port, 'victim.svc.test', socket)
      assert.equal(other.status, 421)
      assert.equal(JSON.parse(other.body).code, 'CONNECTION_MISDIRECTED')
      socket.destroy()

      const session = await ground.connectHttp2(port, { servername: `${tenant}.svc.test` })
      const statusFor = async (host: string) => {
        const [headers] = await once(session.request({ ':authority': host }).resume(), 'response')
        return headers[':status']
      }
      assert.equal(await statusFor(`${tenant}.svc.test`), 200)
      assert.equal(await statusFor('victim.svc.test'), 421)
      session.destroy()
    } finally {
      await ground.stop()
    }
  })
})

describe('files of TLS', () => {
  let ground: TlsGround
  before(async () => {
    ground = await startTlsGround()
  })
  after(() => ground.stop())

  test('wrong ones keep a router from starting, and the message names file and field', async () => {
    const good = await ground.writeCertificate('good', NAMES)
    const other = await ground.writeCertificate('second', NAMES)
    const garbage = await ground.writePem('garbage.pem', 'no PEM')
    const empty = await ground.writePem('empty.pem', '\n')
    const certificates = [{ server_names: ['else.test'], ...other }]
    for (const [tls, expected] of [
      [{ cert_file: '/nowhere/a.crt' }, /listen\.tls\.cert_file: \/nowhere\/a\.crt cannot be read: .*ENOENT/],
      [{ cert_file: garbage }, /listen\.tls\.cert_file: .*garbage\.pem is no PEM certificate/],
      [{ key_file: empty }, /listen\.tls\.key_file: .*empty\.pem is empty/],
      [{ key_file: garbage }, /listen\.tls\.key_file: .*garbage\.pem is no unencrypted PEM private key/],
      [{ key_file: other.key_file }, /listen\.tls\.key_file: .*second\.key is not the key of .*good\.crt/],
      [{ certificates }, /listen\.tls\.certificates\.0\.cert_file: .*second\.crt does not cover else\.test/],
      [{ ciphers: 'NONSENSE' }, /listen\.tls\.ciphers/],
    ] as const) {
      const listen = { host: '127.0.0.1', port: 0, tls: { ...good, ...tls } }
      const config = { listen } as Parameters<typeof ground.fleet.startRouter>[0]
      await assert.rejects(ground.fleet.startRouter(config), expected)
    }
    for (const [cells_tls, expected] of [
      [{ ca_file: garbage }, /cells_tls\.ca_file: .*garbage\.pem is no PEM certificate/],
      [{ cert_file: good.cert_file, key_file: other.key_file }, /cells_tls\.key_file: .*second\.key is not/],
    ] as const) {
      await assert.rejects(ground.fleet.startRouter({ cells_tls }), expected)
    }
    assert.throws(() => ground.fleet.configOf({ cells_tls: { cert_file: good.cert_file } }), /key_file/)
  })

  test('a new certificate is taken by itself, under load, and no request is dropped', async () => {
    const { port, adminPort, stop } = await ground.startRouter()
    const standing = await ground.connect(port)
    const old = serialOf(standing)
    let isOver = false
    const statuses: number[] = []
    const onKept = async () => {
      const socket = await ground.connect(port)
      while (!isOver) statuses.push((await ground.get(port, 'router.test', socket)).status)
      socket.destroy()
    }
    const onNew = async () => {
      while (!isOver) statuses.push((await ground.get(port)).status)
    }
    const load = Promise.all([onKept(), onKept(), onNew(), onNew()])
    await until('load', () => statuses.length > 20)
    await ground.writeCertificate('router-1', NAMES)
    await until('the new one', async () => {
      const socket = await ground.connect(port)
      const serial = serialOf(socket)
      socket.destroy()
      return serial !== old
    })
    const count = statuses.length
    await until('more load', () => statuses.length > count + 20)
    isOver = true
    await load
    assert.deepEqual(new Set(statuses), new Set([200]))
    assert.equal((await ground.get(port, 'router.test', standing)).status, 200)
    assert.equal(serialOf(standing), old)
    standing.destroy()
    assert.match(
      await ground.metrics(adminPort),
      /tls_reloads_total\{files="listen\.tls",outcome="taken"\} [12]\n/,
    )
    await stop()
  })

  test('files that cannot be used leave the old ones in place, are logged once, and are counted', async () => {
    const { port, adminPort, reload, stop } = await ground.startRouter()
    const files = async () => (await ground.status(adminPort)).tls.files['listen.tls']
    const before = serialOf(await ground.connect(port))
    await ground.writePem('router-1.crt', 'half a certi')
    await until('the refusal', async () => (await files()).refused_reloads === 1)
    assert.match((await files()).last_refusal, /listen\.tls\.cert_file: .*router-1\.crt/)
    // Asked for, it says so again.
    reload()
    await until('another refusal', async () => (await files()).refused_reloads === 2)

    const { certPem, keyPem } = issue(ground.authority, {
      names: NAMES,
      notAfter: new Date(Date.now() - 60_000),
    })
    await ground.writePem('router-1.crt', certPem)
    await ground.writePem('router-1.key', keyPem)
    await until('an expired one to be refused', async () => /expired/.test((await files()).last_refusal))
    const socket = await ground.connect(port)
    assert.equal(serialOf(socket), before)
    socket.destroy()

    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 7_200_000)
    await ground.writeCertificate('router-1', NAMES, ground.authority, notAfter)
    await until('a good one', async () => (await files()).last_refusal === null)
    const [certificate] = (await ground.status(adminPort)).tls.certificates
    assert.equal(certificate.not_after, notAfter.toISOString())
    assert.match(
      await ground.metrics(adminPort),
      new RegExp(
        `tls_certificate_not_after_seconds\\{certificate="listen\\.tls"\\} ${notAfter.getTime() / 1000}\n`,
      ),
    )
    const lines = ground.fleet.logLines.filter((line) => line.includes('not reloaded'))
    assert.ok(lines.length >= 3 && lines.length <= 6, lines.join(''))
    await stop()
  })

  test('an expired certificate is served at start, for want of another, and said so', async () => {
    const expired = new Date(Date.now() - 60_000)
    const tls = await ground.writeCertificate('expired', NAMES, createAuthority(), expired)
    const { port, stop } = await ground.startRouter(tls)
    const socket = await ground.connect(port, { rejectUnauthorized: false })
    assert.equal((await ground.get(port, 'router.test', socket)).status, 200)
    socket.destroy()
    assert.ok(ground.fleet.logLines.some((line) => line.includes('a certificate has expired')))
    await stop()
  })
})
