/** What tests of TLS stand on: a fleet, an authority that clients and cells trust, and files of certificates by name. */
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { type ClientHttp2Session, connect as connectHttp2, type SecureClientSessionOptions } from 'node:http2'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { RouterConfigText } from '../config.ts'
import { type Authority, createAuthority, issue } from './certificates.ts'
import { send } from './client.ts'
import { type FleetOptions, type RouterOptions, startFakeFleet } from './fake-fleet.ts'
import { readAnswers } from './raw-client.ts'
import { until } from './wait.ts'

export type TlsText = NonNullable<RouterConfigText['listen']['tls']>

export type TlsGround = Awaited<ReturnType<typeof startTlsGround>>

/** The default certificate's names. */
export const NAMES = ['router.test', '127.0.0.1'] as const

export async function startTlsGround(options: FleetOptions = {}) {
  const fleet = await startFakeFleet(options)
  const authority = createAuthority()

  const ground = {
    fleet,
    authority,
    /** Writes a certificate and its key as `name.crt` and `name.key`, each at once, as a careful renewal does. */
    async writeCertificate(
      name: string,
      names: readonly string[],
      by: Authority = authority,
      notAfter?: Date,
    ): Promise<{ cert_file: string; key_file: string }> {
      const { certPem, keyPem } = issue(by, { names, ...(notAfter && { notAfter }) })
      const cert_file = await ground.writePem(`${name}.crt`, certPem)
      const key_file = await ground.writePem(`${name}.key`, keyPem)
      return { cert_file, key_file }
    },
    async writePem(name: string, text: string): Promise<string> {
      const file = join(fleet.folder, name)
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
      return file
    },
    /** A router that speaks TLS only, with a certificate for NAMES, once it knows the cells. */
    async startRouter(tls: Partial<TlsText> = {}, more: RouterOptions = {}) {
      const own = await ground.writeCertificate(more.router ?? 'router-1', NAMES)
      const router = await fleet.startRouter({
        listen: { host: '127.0.0.1', port: 0, tls: { ...own, ...tls } },
        ...more,
      })
      await until(
        'a topology',
        async () => (await send(router.adminPort, { path: '/readyz' })).status === 200,
      )
      return router
    },
    /** Resolves when the handshake is done; rejects with why it was not. */
    async connect(port: number, more: ConnectionOptions = {}): Promise<TLSSocket> {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: authority.certPem,
        servername: 'router.test',
        ...more,
      })
      await once(socket, 'secureConnect')
      // Seen as an answer that is missing.
      socket.on('error', () => {})
      return socket
    },
    /** Sends a request without a body on a connection of its own, or on `socket`, which stays. */
    async get(port: number, host = 'router.test', socket?: TLSSocket) {
      const own = socket ?? (await ground.connect(port, { servername: host }))
      let received = ''
      const onData = (bytes: Buffer) => {
        received += bytes.toString('latin1')
      }
      own.on('data', onData)
      const isKept = socket !== undefined
      own.write(
        `GET / HTTP/1.1\r\nhost: ${host}\r\nx-tenant: acme\r\n${isKept ? '' : 'connection: close\r\n'}\r\n`,
      )
      const [answer] = await until(`an answer for ${host}, after ${JSON.stringify(received)}`, () => {
        const answers = readAnswers(received, ['GET'], own.readableEnded || own.destroyed)
        if (!answers && own.destroyed)
          throw new Error(`closed without an answer: ${JSON.stringify(received)}`)
        return answers
      })
      own.off('data', onData)
      if (!isKept) own.destroy()
      return answer!
    },
    async connectHttp2(port: number, more: SecureClientSessionOptions = {}): Promise<ClientHttp2Session> {
      const session = connectHttp2(`https://127.0.0.1:${port}`, {
        ca: authority.certPem,
        servername: 'router.test',
        ...more,
      })
      await once(session, 'connect')
      return session
    },
    async status(adminPort: number) {
      return (await send(adminPort, { path: '/status' })).json
    },
    async metrics(adminPort: number): Promise<string> {
      return (await send(adminPort, { path: '/metrics' })).text
    },
    stop: () => fleet.stop(),
  }
  return ground
}
