/** What a load is sent to, and how its connections are made: plain, or TLS with one cipher for every contestant. */
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { connectShared, type OnRead } from './shared-buffer-socket.ts'

export type Target = {
  port: number
  /** The proxy's processes, whose CPU time is read at both ends of a measurement. */
  pids: readonly number[]
  /** Whether it must send tenants to cells of their shard; a bare proxy sends them anywhere. */
  isRouting: boolean
  /** Which prepared requests are sent. */
  requests: RequestKind
  isTls?: boolean
}

/** `header-as-token`: the tenant in a header, in a request as long as one with a token. */
export type RequestKind = 'header' | 'header-closing' | 'token' | 'header-as-token'

/** TLS 1.3, and the only suite that the client offers. */
export const TLS_SUITE = 'TLS_AES_128_GCM_SHA256'

/** `onReady` is called once it can be written to; any end of the connection that was not asked for is an error. */
export function connectTo(target: Target, onReady: (socket: Socket) => void, onRead: OnRead): Socket {
  const { port, isTls } = target
  const socket: Socket = isTls
    ? connectTls({
        port,
        host: '127.0.0.1',
        ciphers: TLS_SUITE,
        minVersion: 'TLSv1.3',
        // The certificate is of this run and signed by nobody.
        rejectUnauthorized: false,
      })
    : connectShared({ port, host: '127.0.0.1', noDelay: true }, onRead)
  if (isTls) socket.setNoDelay(true).on('data', (data: Buffer) => onRead(data.length, data))
  socket.once(isTls ? 'secureConnect' : 'connect', () => onReady(socket))
  socket.on('error', (error) => {
    throw new Error(`a connection to the proxy failed: ${error.message}`)
  })
  return socket
}
